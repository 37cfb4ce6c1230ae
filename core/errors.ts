/** The one error type callers see: `code` is stable API, `message` is for people. */

/** How an error looks on the wire: HTTP status, OpenAI `type` and OpenAI `code` (spec: conventions C-1). */
export interface WireError {
  /** HTTP status. */
  readonly status: number;
  /** OpenAI's `type`. */
  readonly type: string;
  /** OpenAI's `code`. */
  readonly code: string | null;
}

/** Stable error code. */
export type ErrorCode =
  | "INVALID_REQUEST"
  | "UNSUPPORTED_PARAMETER"
  | "UNSUPPORTED_MODALITY"
  | "CONTEXT_LENGTH_EXCEEDED"
  | "TEMPLATE_FAILED"
  | "INVALID_API_KEY"
  | "INSUFFICIENT_SCOPE"
  | "MODEL_NOT_ALLOWED"
  | "HOST_NOT_ALLOWED"
  | "NOT_FOUND"
  | "MODEL_NOT_FOUND"
  | "METHOD_NOT_ALLOWED"
  | "REQUEST_TIMEOUT"
  | "REQUEST_TOO_LARGE"
  | "UNSUPPORTED_MEDIA_TYPE"
  | "RATE_LIMITED"
  | "QUEUE_FULL"
  | "ABORTED"
  | "MODEL_MALFORMED"
  | "MODEL_UNSUPPORTED"
  | "INTERNAL"
  | "INSUFFICIENT_RESOURCES"
  | "NOT_READY"
  | "MODEL_LOADING"
  | "DRAINING"
  | "DEADLINE_EXCEEDED"
  | "MODEL_MISMATCH"
  | "UPSTREAM_ERROR"
  | "RELAY_LOOP"
  | "NOT_CACHED";

/**
 * Every code and what it becomes at the edge; the only such table.
 *
 * 429 is the caller's own quota or our full queue; 503 is only "not ready", "loading" or "draining",
 * because a 5xx for shedding would burn the error budget and eject us from load balancers.
 */
export const ERRORS: Readonly<Record<ErrorCode, WireError>> = {
  INVALID_REQUEST: { status: 400, type: "invalid_request_error", code: null },
  UNSUPPORTED_PARAMETER: {
    status: 400,
    type: "invalid_request_error",
    code: "unsupported_parameter",
  },
  UNSUPPORTED_MODALITY: {
    status: 400,
    type: "invalid_request_error",
    code: "unsupported_modality",
  },
  CONTEXT_LENGTH_EXCEEDED: {
    status: 400,
    type: "invalid_request_error",
    code: "context_length_exceeded",
  },
  /** The model's own chat template refused or overran its budget on this conversation. */
  TEMPLATE_FAILED: { status: 400, type: "invalid_request_error", code: "template_failed" },
  INVALID_API_KEY: { status: 401, type: "authentication_error", code: "invalid_api_key" },
  INSUFFICIENT_SCOPE: { status: 403, type: "permission_error", code: "insufficient_scope" },
  MODEL_NOT_ALLOWED: { status: 403, type: "permission_error", code: "model_not_allowed" },
  /** Sent to a name that is not this server's: DNS rebinding. */
  HOST_NOT_ALLOWED: { status: 403, type: "permission_error", code: "host_not_allowed" },
  NOT_FOUND: { status: 404, type: "invalid_request_error", code: "not_found" },
  MODEL_NOT_FOUND: { status: 404, type: "invalid_request_error", code: "model_not_found" },
  METHOD_NOT_ALLOWED: { status: 405, type: "invalid_request_error", code: "method_not_allowed" },
  REQUEST_TIMEOUT: { status: 408, type: "timeout_error", code: "request_timeout" },
  REQUEST_TOO_LARGE: { status: 413, type: "invalid_request_error", code: "request_too_large" },
  UNSUPPORTED_MEDIA_TYPE: {
    status: 415,
    type: "invalid_request_error",
    code: "unsupported_media_type",
  },
  /** The caller's own limit of requests or tokens. */
  RATE_LIMITED: { status: 429, type: "rate_limit_error", code: "rate_limit_exceeded" },
  QUEUE_FULL: { status: 429, type: "overloaded_error", code: "queue_full" },
  /** The client went away; logged, never sent. */
  ABORTED: { status: 499, type: "server_error", code: "client_closed_request" },
  /** A model file is broken or hostile: a length, an offset or a value that cannot be true. */
  MODEL_MALFORMED: { status: 500, type: "server_error", code: "model_malformed" },
  /** A model file is sound but asks for something this version cannot do. */
  MODEL_UNSUPPORTED: { status: 500, type: "server_error", code: "model_unsupported" },
  INTERNAL: { status: 500, type: "server_error", code: "internal_error" },
  INSUFFICIENT_RESOURCES: { status: 500, type: "server_error", code: "insufficient_resources" },
  NOT_READY: { status: 503, type: "server_error", code: "not_ready" },
  MODEL_LOADING: { status: 503, type: "server_error", code: "model_loading" },
  DRAINING: { status: 503, type: "server_error", code: "draining" },
  DEADLINE_EXCEEDED: { status: 504, type: "timeout_error", code: "deadline_exceeded" },
  /** The request was passed on for a model that this server does not serve, or serves with another arithmetic. */
  MODEL_MISMATCH: { status: 409, type: "conflict_error", code: "model_mismatch" },
  /** Another server that was to answer failed. */
  UPSTREAM_ERROR: { status: 502, type: "server_error", code: "upstream_error" },
  /** The request has been passed on before. */
  RELAY_LOOP: { status: 508, type: "server_error", code: "relay_loop" },
  /** The request wants an answer that is kept (`only-if-cached`, RFC 9111 section 5.2.1.7). */
  NOT_CACHED: { status: 504, type: "invalid_request_error", code: "not_cached" },
};

/** What an error may carry beside its message. */
export interface RuntimeErrorOptions extends ErrorOptions {
  /** The request field at fault, as OpenAI's `param`: `messages[0].content`. */
  readonly param?: string;
  /** When the same request may succeed, in seconds; Infinity: never. */
  readonly retryAfterSeconds?: number;
}

/** An error with a stable {@linkcode ErrorCode}. */
export class RuntimeError extends Error {
  /** What went wrong, for programs. */
  readonly code: ErrorCode;
  /** The request field at fault. */
  readonly param: string | undefined;
  /** When the same request may succeed, in seconds, where that is known. */
  readonly retryAfterSeconds: number | undefined;

  /** An error of this code; the message says the action, the value and what would do. */
  constructor(code: ErrorCode, message: string, options?: RuntimeErrorOptions) {
    super(message, options);
    this.name = "RuntimeError";
    this.code = code;
    this.param = options?.param;
    this.retryAfterSeconds = options?.retryAfterSeconds;
  }

  /** `instanceof` that also holds across workers' copies and when two copies of the package are loaded. */
  static is(error: unknown): error is RuntimeError {
    return (
      error instanceof Error &&
      error.name === "RuntimeError" &&
      "code" in error &&
      typeof error.code === "string" &&
      error.code in ERRORS
    );
  }
}

/**
 * Memory of a device is used up. A `RangeError`, as every allocation that cannot be, of a name that tells it from
 * an argument out of range.
 */
export class OutOfMemoryError extends RangeError {
  /** The message says what was to be allocated, and beside what. */
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "OutOfMemoryError";
  }
}
