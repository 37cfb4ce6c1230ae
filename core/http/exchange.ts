import { ERRORS } from "../errors.ts";
import type { Arrival } from "./arrival.ts";
import type { AppDeps, LogRecord } from "./deps.ts";
import { ANYONE, type Caller } from "./edge/access.ts";
import type { Reservation } from "./edge/allowance.ts";
import { beginTrace, NO_TRACE, type ExchangeTrace } from "./exchange-trace.ts";
import { errorCode, type Failure } from "./failure.ts";
import { pathOf } from "./path.ts";
import { requestId } from "./request-id.ts";
import type { ServerMetrics } from "./server-metrics.ts";
import { failureStyle, statusIn } from "./wire/failure-body.ts";

/** A short answer that is complete, of status 200. */
export interface Reply {
  /** All of it. */
  readonly body: string;
  /** By name in lower case. */
  readonly headers: Readonly<Record<string, string>>;
}

/** One request and its answer, watched until the last byte. */
export interface Exchange {
  /** Goes into `x-request-id` and the log. */
  readonly id: string;
  /** Of its address, without a query. */
  readonly path: string;
  /** When the request arrived, by the monotonic clock. */
  readonly arrived: number;
  /** Whether {@linkcode end} will be called by the stream that answers, and not when its headers leave. */
  readonly streaming: boolean;
  startStreaming(): void;
  /** What becomes of it, stage by stage. */
  readonly trace: ExchangeTrace;
  /** Who sent it: anyone, until the door has said who. */
  readonly caller: Caller;
  admit(caller: Caller): void;
  /**
   * Set tokens of the caller's allowance aside; what was not used of them goes back when the exchange ends.
   * Returns what the answer may have. Throws `RATE_LIMITED`.
   */
  reserve(promptTokens: number, maxTokens: number | undefined, room: number): number;
  /** The prompt had so many tokens, which {@linkcode reserve} was told an estimate of. */
  counted(promptTokens: number): void;
  /** Tokens have been generated: one unless told. */
  token(count?: number): void;
  /** Add a header to the answer, whatever that becomes: an error's too. */
  tell(name: string, value: string): void;
  /** Headers of the answer that tell about the request; empty where {@linkcode complete} has given them. */
  headers(): Readonly<Record<string, string>>;
  /** The same reply with the headers of {@linkcode headers} as well. */
  complete(reply: Reply): Reply;
  /**
   * A reply, of the class that the runtime writes fastest: headers that are added later cost it more than the rest
   * of the answer.
   */
  toResponse(reply: Reply): Response;
  /** {@linkcode complete} and {@linkcode toResponse}. */
  respond(reply: Reply): Response;
  /** Add to the log record; the content of prompts and answers never goes there. */
  note(facts: Readonly<Record<string, string | number | boolean | null>>): void;
  /** Note what went wrong: its code, and for our own defects where it happened. */
  fail(error: unknown): void;
  /** A failure as the API of this request writes it. */
  style(failure: Failure): { readonly status: number; readonly body: object };
  /** The answer is complete, has failed or was left, as `status` says; later calls do nothing. */
  end(status: number): void;
}

/** Watch a request that has just arrived. */
export function beginExchange(request: Arrival, deps: AppDeps, metrics: ServerMetrics): Exchange {
  return new WatchedExchange(request, deps, metrics);
}

/** A class, as an answer from memory costs little more than a dozen closures. */
class WatchedExchange implements Exchange {
  readonly id: string;
  readonly path: string;
  readonly arrived: number;
  readonly trace: ExchangeTrace;
  streaming = false;
  caller = ANYONE;
  readonly #method: string;
  readonly #deps: AppDeps;
  /** Absent for what is no API: probes, metrics, the page. */
  readonly #metrics: ServerMetrics | undefined;
  readonly #facts: Record<string, string | number | boolean | null> = {};
  #further: Record<string, string> | undefined;
  #ended = false;
  #told = false;
  #reservation: Reservation | undefined;
  #usedTokens = 0;

  constructor(request: Arrival, deps: AppDeps, metrics: ServerMetrics) {
    this.#deps = deps;
    this.#method = request.method;
    this.arrived = deps.now();
    this.path = pathOf(request.url);
    this.id = requestId(request.headers, () => deps.randomId());
    const isApi = this.path.startsWith("/v1/") || this.path.startsWith("/api/");
    this.#metrics = isApi ? metrics : undefined;
    this.trace = isApi ? beginTrace(request.headers, this.arrived, deps) : NO_TRACE;
    if (this.trace.traceparent !== undefined) this.#facts["traceparent"] = this.trace.traceparent;
  }

  startStreaming(): void {
    this.streaming = true;
    this.trace.writing();
  }

  admit(caller: Caller): void {
    this.caller = caller;
    if (caller !== ANYONE) this.#facts["key"] = caller.id;
  }

  reserve(promptTokens: number, maxTokens: number | undefined, room: number): number {
    this.#reservation = this.caller.allowance.reserve(promptTokens, maxTokens, room);
    this.#usedTokens = promptTokens;
    return this.#reservation.maxTokens;
  }

  counted(promptTokens: number): void {
    this.#usedTokens = promptTokens;
  }

  token(count = 1): void {
    this.#usedTokens += count;
  }

  tell(name: string, value: string): void {
    this.#further = { ...this.#further, [name]: value };
  }

  headers(): Record<string, string> {
    return this.#told ? {} : this.#headers();
  }

  complete({ body, headers }: Reply): Reply {
    this.#told = true;
    return { body, headers: Object.assign(this.#headers(), headers) };
  }

  toResponse({ body, headers }: Reply): Response {
    const { Response: Answer = Response } = this.#deps;
    return new Answer(body, { headers });
  }

  respond(reply: Reply): Response {
    return this.toResponse(this.complete(reply));
  }

  note(facts: Readonly<Record<string, string | number | boolean | null>>): void {
    Object.assign(this.#facts, facts);
  }

  fail(error: unknown): void {
    const code = errorCode(error);
    this.#facts["code"] = code;
    // Messages of other errors repeat what the client sent.
    if (ERRORS[code].status < 500) return;
    this.#facts["error"] = error instanceof Error ? (error.stack ?? error.message) : String(error);
  }

  style(failure: Failure): { readonly status: number; readonly body: object } {
    const style = failureStyle(this.path);
    return { status: statusIn(style, failure.status), body: style(failure, this.id) };
  }

  end(status: number): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#reservation?.settle(this.#usedTokens);
    const milliseconds = this.#deps.now() - this.arrived;
    this.#metrics?.request(status, milliseconds);
    const record: LogRecord = {
      ...this.#facts,
      level: status >= 500 ? "error" : "info",
      event: "request",
      request_id: this.id,
      method: this.#method,
      path: this.path,
      status,
      duration_ms: Math.round(milliseconds),
    };
    this.#deps.log(record);
    const { code } = this.#facts;
    const error = typeof code === "string" ? code : undefined;
    this.trace.end(status, this.#method, this.path, error);
  }

  #headers(): Record<string, string> {
    const { id, path, trace, caller, arrived } = this;
    const headers: Record<string, string> = {
      "x-request-id": id,
      "x-content-type-options": "nosniff",
      "openai-processing-ms": String(Math.round(this.#deps.now() - arrived)),
    };
    // Where Anthropic's clients look for it.
    if (path.startsWith("/v1/messages")) headers["request-id"] = id;
    if (trace.traceparent !== undefined) headers["traceparent"] = trace.traceparent;
    if (this.#further !== undefined) Object.assign(headers, this.#further);
    return caller === ANYONE ? headers : Object.assign(headers, caller.allowance.headers());
  }
}
