import type { ChoiceEvent } from "../answer/several.ts";
import { ERRORS, RuntimeError, type ErrorCode } from "../errors.ts";
import type { Head } from "../http/wire/format.ts";
import { parseJson } from "../http/wire/json.ts";

/** What a relayed request accepts: the answer's events, a line of JSON each. */
export const RELAYED_TYPE = "application/x-sirocco-events+ndjson";

/** A line of a relayed answer. An answer without `end` or `failed` has been cut off. */
export type RelayedLine =
  | RelayedOpening
  | RelayedEvent
  | { readonly end: true }
  | { readonly failed: RelayedFailure };

/** How a relayed answer begins. */
export interface RelayedOpening {
  readonly head: Head;
  /** So many of the tokens that the request brought along it goes on behind. */
  readonly behind?: number;
  /** The node that computes it, where somebody between it and the reader says so. */
  readonly by?: string;
}

/** An event, and where they are known the tokens that were generated since the one before. */
export interface RelayedEvent extends ChoiceEvent {
  readonly ids?: readonly number[];
}

/** An error after the answer had begun. */
export interface RelayedFailure {
  readonly status: number;
  readonly message: string;
  readonly param: string | null;
  readonly code: string | null;
}

/** Names of nodes are at most this long. */
const LONGEST_NAME = 60;

/** Answers to one request, several prompts with several candidates each: what the request's own checks allow. */
const MOST_CHOICES = 128 * 128;

/** A line, checked as far as anybody reads it. Throws `UPSTREAM_ERROR` for what is none. */
export function parseRelayedLine(line: string): RelayedLine {
  let value: unknown;
  try {
    value = parseJson(line);
  } catch (cause) {
    throw malformed(cause);
  }
  if (!isRecord(value)) throw malformed();
  const { head, event, choice, end, failed } = value;
  if (end === true) return { end };
  if (isHead(head)) {
    const { behind, by } = value;
    return {
      head,
      ...(typeof behind === "number" ? { behind } : {}),
      ...(typeof by === "string" ? { by: by.slice(0, LONGEST_NAME) } : {}),
    };
  }
  if (
    isRecord(failed) &&
    typeof failed["status"] === "number" &&
    typeof failed["message"] === "string"
  )
    return { failed: failed as unknown as RelayedFailure };
  const known = typeof choice === "number" && Number.isInteger(choice);
  const { ids = [] } = value;
  const told = Array.isArray(ids) && ids.every(isCount);
  if (known && choice >= 0 && choice < MOST_CHOICES && isEvent(event) && told)
    return value as unknown as RelayedEvent;
  throw malformed();
}

/** The error that a node answered with. What it does not name is a failure of that node. */
export function relayedError({ status, message, param, code }: RelayedFailure): RuntimeError {
  const found = (Object.entries(ERRORS) as [ErrorCode, (typeof ERRORS)[ErrorCode]][]).find(
    ([, wire]) => wire.status === status && wire.code === code,
  );
  return new RuntimeError(
    found?.[0] ?? "UPSTREAM_ERROR",
    message.slice(0, 1000),
    typeof param === "string" ? { param } : {},
  );
}

function isHead(value: unknown): value is Head {
  return (
    isRecord(value) &&
    typeof value["fingerprint"] === "string" &&
    typeof value["promptTokens"] === "number"
  );
}

function isEvent(event: unknown): boolean {
  if (!isRecord(event)) return false;
  const { type } = event;
  if (type === "text") return typeof event["text"] === "string" && Array.isArray(event["tokens"]);
  if (type === "tool_call")
    return typeof event["index"] === "number" && typeof event["arguments"] === "string";
  const { usage, timings, reason } = event;
  return (
    type === "done" &&
    typeof reason === "string" &&
    isRecord(usage) &&
    ["promptTokens", "cachedTokens", "completionTokens"].every((name) => isCount(usage[name])) &&
    isRecord(timings) &&
    isCount(timings["firstTokenMs"]) &&
    isCount(timings["decodeMs"])
  );
}

function isCount(value: unknown): boolean {
  return typeof value === "number" && value >= 0;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function malformed(cause?: unknown): RuntimeError {
  return new RuntimeError("UPSTREAM_ERROR", "Cannot read the answer of a node: it is no event", {
    cause,
  });
}
