import { ERRORS, RuntimeError, type ErrorCode } from "../errors.ts";
import type { Breakage, BreakReason } from "./breakage.ts";
import type { Constraint } from "../grammar/constraint.ts";
import type { TokenBytes } from "../grammar/token-bytes.ts";
import type {
  EmbedRequest,
  EngineInfo,
  EngineStats,
  GenerateEvent,
  GenerateRequest,
  ScoreRequest,
} from "./engine.ts";

/*
 * What crosses between `remote.ts` and `host.ts`: plain data, which a structured clone leaves as it is.
 */

/**
 * An end of a message channel, as browsers, workers and Node have it. Messages wait until `start`; a
 * `Worker` or a worker's own scope has neither that nor `close`.
 */
export interface EnginePort {
  postMessage(message: unknown): void;
  addEventListener(type: "message", listener: (event: PortMessage) => void): void;
  addEventListener(type: "close", listener: () => void): void;
  start?(): void;
  close?(): void;
}

/** What a port hands to its listener. */
export interface PortMessage {
  readonly data: unknown;
}

/** A request as it crosses: a vocabulary is named by its number once it has been sent. */
export interface WireRequest extends Omit<GenerateRequest, "signal" | "constraint"> {
  readonly constraint?: Omit<Constraint, "vocabulary"> & { readonly vocabulary: number };
}

/** To the host. The caller numbers its requests, and the vocabularies that they name. */
export type Command =
  | { readonly type: "vocabulary"; readonly id: number; readonly vocabulary: TokenBytes }
  | { readonly type: "generate"; readonly id: number; readonly request: WireRequest }
  | { readonly type: "score"; readonly id: number; readonly request: ScoreRequest }
  | { readonly type: "embed"; readonly id: number; readonly request: EmbedRequest }
  | { readonly type: "abort"; readonly id: number }
  | { readonly type: "close" };

/** From the host. */
export type Report =
  | { readonly type: "hello"; readonly info: EngineInfo; readonly stats: EngineStats }
  /** All that happened in one step; also sent without outcomes, for the statistics, and when the engine breaks. */
  | {
      readonly type: "step";
      readonly outcomes: readonly Outcome[];
      readonly stats: EngineStats;
      readonly breakage?: PlainBreakage;
    }
  | { readonly type: "closed"; readonly error?: PlainError };

/** Something that became of a request. */
export type Outcome =
  | { readonly id: number; readonly event: GenerateEvent }
  | { readonly id: number; readonly scores: Float64Array }
  | { readonly id: number; readonly embedding: Float32Array }
  | { readonly id: number; readonly error: PlainError };

/** A {@linkcode Breakage} as plain data. */
export interface PlainBreakage {
  readonly reason: BreakReason;
  readonly error: PlainError;
}

/** A `RuntimeError` as plain data: a structured clone of an error loses all but its message. */
export interface PlainError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly param?: string;
  readonly retryAfterSeconds?: number;
}

/** An error as it crosses; one without a code is our own defect and crosses as `INTERNAL`. */
export function toPlainError(error: unknown): PlainError {
  if (!RuntimeError.is(error)) {
    return { code: "INTERNAL", message: error instanceof Error ? error.message : String(error) };
  }
  const { code, message, param, retryAfterSeconds } = error;
  return {
    code,
    message,
    ...(param === undefined ? {} : { param }),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  };
}

/** The error again. */
export function fromPlainError({ code, message, ...options }: PlainError): RuntimeError {
  // The other side may be of another version.
  const known = code in ERRORS ? code : "INTERNAL";
  return new RuntimeError(known, message, options);
}

/** A breakage as it crosses. */
export function toPlainBreakage({ reason, error }: Breakage): PlainBreakage {
  return { reason, error: toPlainError(error) };
}

/** The breakage again. */
export function fromPlainBreakage({ reason, error }: PlainBreakage): Breakage {
  return { reason, error: fromPlainError(error) };
}
