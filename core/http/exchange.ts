import { ERRORS } from "../errors.ts";
import type { AppDeps, LogRecord } from "./deps.ts";
import { ANYONE, type Caller } from "./edge/access.ts";
import type { Reservation } from "./edge/allowance.ts";
import { beginTrace, NO_TRACE, type ExchangeTrace } from "./exchange-trace.ts";
import { errorCode, type Failure } from "./failure.ts";
import { pathOf } from "./path.ts";
import { requestId } from "./request-id.ts";
import type { ServerMetrics } from "./server-metrics.ts";
import { failureStyle, statusIn } from "./wire/failure-body.ts";

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
  /** A token has been generated. */
  token(): void;
  /** Headers of the answer that tell about the request; empty where {@linkcode respond} has given them. */
  headers(): Readonly<Record<string, string>>;
  /**
   * A short answer that is complete, with these headers and those of {@linkcode headers}, of the class that
   * the runtime writes fastest: headers that are added later cost it more than the rest of the answer.
   */
  respond(body: string, headers: Readonly<Record<string, string>>): Response;
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
export function beginExchange(request: Request, deps: AppDeps, metrics: ServerMetrics): Exchange {
  const arrived = deps.now();
  const path = pathOf(request.url);
  const id = requestId(request.headers, () => deps.randomId());
  const isApi = path.startsWith("/v1/") || path.startsWith("/api/");
  const trace = isApi ? beginTrace(request.headers, arrived, deps) : NO_TRACE;
  const facts: Record<string, string | number | boolean | null> = {};
  if (trace.traceparent !== undefined) facts["traceparent"] = trace.traceparent;
  let streaming = false;
  let ended = false;
  let caller = ANYONE;
  let reservation: Reservation | undefined;
  let usedTokens = 0;
  let told = false;
  const { Response: Answer = Response } = deps;

  function headers(): Record<string, string> {
    const own: Record<string, string> = {
      "x-request-id": id,
      "x-content-type-options": "nosniff",
      "openai-processing-ms": String(Math.round(deps.now() - arrived)),
    };
    // Where Anthropic's clients look for it.
    if (path.startsWith("/v1/messages")) own["request-id"] = id;
    if (trace.traceparent !== undefined) own["traceparent"] = trace.traceparent;
    return caller === ANYONE ? own : Object.assign(own, caller.allowance.headers());
  }

  return {
    id,
    path,
    arrived,
    trace,
    get streaming() {
      return streaming;
    },
    startStreaming() {
      streaming = true;
      trace.writing();
    },
    get caller() {
      return caller;
    },
    admit(admitted) {
      caller = admitted;
      if (caller !== ANYONE) facts["key"] = caller.id;
    },
    reserve(promptTokens, maxTokens, room) {
      reservation = caller.allowance.reserve(promptTokens, maxTokens, room);
      usedTokens = promptTokens;
      return reservation.maxTokens;
    },
    token() {
      usedTokens++;
    },
    headers: () => (told ? {} : headers()),
    respond(body, more) {
      told = true;
      return new Answer(body, { headers: Object.assign(headers(), more) });
    },
    note(more) {
      Object.assign(facts, more);
    },
    fail(error) {
      const code = errorCode(error);
      facts["code"] = code;
      // Messages of other errors repeat what the client sent.
      if (ERRORS[code].status < 500) return;
      facts["error"] = error instanceof Error ? (error.stack ?? error.message) : String(error);
    },
    style(failure) {
      const style = failureStyle(path);
      return { status: statusIn(style, failure.status), body: style(failure, id) };
    },
    end(status) {
      if (ended) return;
      ended = true;
      reservation?.settle(usedTokens);
      const milliseconds = deps.now() - arrived;
      if (isApi) metrics.request(status, milliseconds);
      const record: LogRecord = {
        ...facts,
        level: status >= 500 ? "error" : "info",
        event: "request",
        request_id: id,
        method: request.method,
        path,
        status,
        duration_ms: Math.round(milliseconds),
      };
      deps.log(record);
      const { code } = facts;
      trace.end(status, request.method, path, typeof code === "string" ? code : undefined);
    },
  };
}
