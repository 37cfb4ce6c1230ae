import type { AnswerTimings } from "../answer/answer.ts";
import type { Attributes, Span, Tracer } from "../trace/span.ts";
import {
  MAX_TRACE_STATE,
  parseTraceparent,
  randomHex,
  toTraceparent,
  type TraceContext,
} from "../trace/traceparent.ts";
import type { ReadHeaders } from "./arrival.ts";
import type { AppDeps } from "./deps.ts";
import type { Asked } from "./wire/asked.ts";

/** The trace of one request: its stages, told as they end. Times are of the monotonic clock. */
export interface ExchangeTrace {
  /** Of our own span, for the answer and the log; absent where there is no trace. */
  readonly traceparent: string | undefined;
  /** What is asked of a model, which is now asked. */
  ask(asked: Asked, model: string): void;
  stage(name: "tokenize" | "pool", begin: number, end: number): void;
  /** The answer is complete: what the engine says about its stages. */
  answered(timings: AnswerTimings, usage: TraceUsage): void;
  /** The answer's first byte is sent. */
  writing(): void;
  /** The last byte is sent, or nobody is left to send it to. */
  end(status: number, method: string, path: string, error: string | undefined): void;
}

/** What an answer took. */
export interface TraceUsage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly finishReasons: readonly string[];
}

/** Characters of what a client sent that go into an attribute. */
const SHOWN = 200;

/** Of what is not traced: probes, metrics, the page. */
export const NO_TRACE: ExchangeTrace = {
  traceparent: undefined,
  ask: () => {},
  stage: () => {},
  answered: () => {},
  writing: () => {},
  end: () => {},
};

/**
 * The trace that a request belongs to, or begins. What the client says about recording is followed; of
 * those without a word the tracer takes its share. Prompts and answers never go into it.
 */
export function beginTrace(headers: ReadHeaders, arrived: number, deps: AppDeps): ExchangeTrace {
  const { tracer } = deps;
  const given = headers.get("traceparent");
  if (tracer === undefined && given === null) return NO_TRACE;
  const parent = parseTraceparent(given);
  const context: TraceContext = {
    traceId: parent?.traceId ?? randomHex(16),
    spanId: randomHex(8),
    sampled: tracer !== undefined && (parent?.sampled ?? tracer.sample()),
  };
  const traceparent = toTraceparent({ ...context, sampled: parent?.sampled ?? context.sampled });
  if (tracer === undefined || !context.sampled) return { ...NO_TRACE, traceparent };
  const state = parent === undefined ? null : headers.get("tracestate");
  return record(tracer, deps, {
    context,
    traceparent,
    parentId: parent?.spanId,
    traceState: state !== null && state.length <= MAX_TRACE_STATE ? state : undefined,
    arrived,
  });
}

interface Begin {
  readonly context: TraceContext;
  readonly traceparent: string;
  readonly parentId: string | undefined;
  readonly traceState: string | undefined;
  readonly arrived: number;
}

function record(tracer: Tracer, deps: AppDeps, begin: Begin): ExchangeTrace {
  const { context, traceparent, parentId, traceState, arrived } = begin;
  // Durations by the monotonic clock, hung up at one reading of the other.
  const offset = deps.wallClock() - deps.now();
  const spans: Span[] = [];
  let attributes: Attributes = {};
  let name: string | undefined;
  let askedAt = arrived;
  let writingSince: number | undefined;

  function child(stage: string, from: number, to: number): void {
    spans.push({
      ...context,
      spanId: randomHex(8),
      parentId: context.spanId,
      traceState,
      name: stage,
      kind: "internal",
      startMs: from + offset,
      endMs: Math.max(to, from) + offset,
      attributes: {},
      error: undefined,
    });
  }

  return {
    traceparent,
    ask(asked, model) {
      askedAt = deps.now();
      const operation = asked.promptParam === "messages" ? "chat" : "text_completion";
      name = `${operation} ${model}`;
      attributes = {
        ...attributes,
        ...requestAttributes(asked, operation),
        "gen_ai.response.model": model,
      };
    },
    stage: child,
    answered({ firstTokenMs, decodeMs, engine }, usage) {
      const first = askedAt + firstTokenMs;
      if (engine === undefined) {
        // A stop string cut the engine's own account short; it waited and read the prompt in this time.
        child("prefill", askedAt, first);
      } else {
        const begun = askedAt + engine.queueMs;
        child("queue", askedAt, begun);
        child("prefill", begun, begun + engine.prefillMs);
      }
      child("decode", first, first + decodeMs);
      attributes = {
        ...attributes,
        "gen_ai.response.finish_reasons": usage.finishReasons,
        "gen_ai.response.time_to_first_chunk": (first - arrived) / 1000,
        "gen_ai.usage.input_tokens": usage.promptTokens,
        "gen_ai.usage.output_tokens": usage.completionTokens,
      };
    },
    writing() {
      writingSince ??= deps.now();
    },
    end(status, method, path, error) {
      const now = deps.now();
      if (writingSince !== undefined) child("write", writingSince, now);
      spans.push({
        ...context,
        parentId,
        traceState,
        // Paths that are not ours could be anything.
        name: name ?? (status === 404 ? method : `${method} ${path.slice(0, SHOWN)}`),
        kind: "server",
        startMs: arrived + offset,
        endMs: now + offset,
        attributes: {
          ...attributes,
          "http.request.method": method,
          "url.path": path.slice(0, SHOWN),
          "http.response.status_code": status,
          "error.type": error,
        },
        error: status >= 500 ? (error ?? String(status)) : undefined,
      });
      tracer.record(spans);
    },
  };
}

/** OpenTelemetry's GenAI conventions, as of November 2026 still in development. */
function requestAttributes(asked: Asked, operation: string): Attributes {
  const { sampling, maxTokens, stream, candidates } = asked;
  return {
    "gen_ai.operation.name": operation,
    "gen_ai.provider.name": "sirocco",
    "gen_ai.request.model": asked.model.slice(0, SHOWN),
    "gen_ai.request.max_tokens": maxTokens,
    "gen_ai.request.temperature": sampling.temperature,
    "gen_ai.request.top_p": sampling.topP,
    "gen_ai.request.top_k": sampling.topK,
    "gen_ai.request.seed": sampling.seed,
    "gen_ai.request.frequency_penalty": sampling.frequencyPenalty,
    "gen_ai.request.presence_penalty": sampling.presencePenalty,
    "gen_ai.request.choice.count": candidates,
    "gen_ai.request.stream": stream,
  };
}
