import { ERRORS, RuntimeError, type ErrorCode } from "../errors.ts";
import { LONGEST_RETRY_AFTER_SECONDS } from "./retry-after.ts";

/** The body of every error. All four keys are always there. */
export interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string | null;
  };
}

/** An error ready for the wire. */
export interface Failure {
  readonly status: number;
  readonly body: ErrorBody;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Whether a client should send the same request again. Clients retry 408, 409, 429 and 5xx on their
 * own, so each of ours says what it means; other codes are never retried and say nothing.
 */
const RETRY: Readonly<Partial<Record<ErrorCode, boolean>>> = {
  REQUEST_TIMEOUT: true,
  RATE_LIMITED: true,
  QUEUE_FULL: true,
  NOT_READY: true,
  MODEL_LOADING: true,
  DRAINING: true,
  INSUFFICIENT_RESOURCES: true,
  // The same request would fail the same way, or cost as much again.
  INTERNAL: false,
  MODEL_MALFORMED: false,
  MODEL_UNSUPPORTED: false,
  DEADLINE_EXCEEDED: false,
  NOT_CACHED: false,
  UPSTREAM_ERROR: true,
  RELAY_LOOP: false,
};

/** Seconds after which to try again when nothing better is known; models load and nodes move in about that time. */
const RETRY_AFTER_SECONDS = 5;

/**
 * An error as the client sees it. What is not a {@linkcode RuntimeError} is a defect of ours: its
 * message stays in the log.
 *
 * @param retryAfterSeconds An estimate of when there is room again, where there is one.
 */
export function toFailure(
  error: unknown,
  retryAfterSeconds: number = RETRY_AFTER_SECONDS,
): Failure {
  const code = errorCode(error);
  const { status, type, code: wireCode } = ERRORS[code];
  const message = RuntimeError.is(error) ? error.message : "The server failed to answer";
  const param = RuntimeError.is(error) ? (error.param ?? null) : null;
  const headers: Record<string, string> = {};
  const wait = (RuntimeError.is(error) ? error.retryAfterSeconds : undefined) ?? retryAfterSeconds;
  const retry = RETRY[code];
  if (retry !== undefined) {
    headers["x-should-retry"] = String(
      retry && !(code === "RATE_LIMITED" && wait > LONGEST_RETRY_AFTER_SECONDS),
    );
  }
  if ((status === 429 || status === 503) && wait !== Infinity) {
    const seconds = Math.min(Math.max(wait, 1), LONGEST_RETRY_AFTER_SECONDS);
    headers["retry-after"] = String(Math.ceil(seconds));
    // Finer, for clients that know it: whole seconds would bring many back at once.
    headers["retry-after-ms"] = String(Math.ceil(seconds * 1000));
  }
  if (code === "INVALID_API_KEY") headers["www-authenticate"] = "Bearer";
  if (code === "DRAINING" || code === "REQUEST_TOO_LARGE" || code === "REQUEST_TIMEOUT") {
    // The connection ends with this answer, or holds the rest of a body that nobody will read.
    headers["connection"] = "close";
  }
  return { status, body: { error: { message, type, param, code: wireCode } }, headers };
}

/** The stable code of whatever was thrown. */
export function errorCode(error: unknown): ErrorCode {
  return RuntimeError.is(error) ? error.code : "INTERNAL";
}
