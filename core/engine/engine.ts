import type { SamplingParams } from "../sampler/params.ts";

/**
 * A model being served: many callers, one loop. The same interface is implemented in process
 * (`loop.ts`) and over a MessagePort (`remote.ts`), so callers need not know where the model runs.
 */
export interface Engine {
  readonly info: EngineInfo;
  /**
   * Generate tokens. Ends after a `done` event; leaving the loop early or aborting the signal frees
   * the slot within one step. Throws `RuntimeError`: `ABORTED`, `CONTEXT_LENGTH_EXCEEDED`,
   * `QUEUE_FULL`, `NOT_READY`.
   */
  generate(request: GenerateRequest): AsyncIterable<GenerateEvent>;
  /** Log-probabilities of `tokens[from..]`, each given all tokens before it, for perplexity. */
  score(request: ScoreRequest): Promise<Float64Array>;
  stats(): EngineStats;
  /** Stop after the current step; waiting and running requests end with `NOT_READY`. */
  close(): Promise<void>;
}

/** What is served and by what; fixed once loaded. */
export interface EngineInfo {
  /** `wasm-simd128`, `wasm-relaxed`, `reference`, … */
  readonly backend: string;
  readonly threads: number;
  readonly vocabSize: number;
  /** Tokens that one request may hold, prompt and answer together. */
  readonly contextLength: number;
  /** Bytes held by the backend. */
  readonly memory: {
    readonly weights: number;
    readonly kv: number;
    readonly activations: number;
  };
  /** Milliseconds from asking for the model to being able to answer. */
  readonly loadMs: number;
}

/** What to generate; plain data but for the signal. */
export interface GenerateRequest {
  readonly tokens: readonly number[];
  /** At most this many new tokens, ≥ 1. Fewer where the context ends first. */
  readonly maxTokens: number;
  readonly sampling: SamplingParams;
  /** Tokens that end the answer; they are reported in the `done` event, not as tokens. */
  readonly stopTokens: readonly number[];
  /** Report the log-probability of each token and of this many alternatives. */
  readonly logprobs?: number;
  readonly signal?: AbortSignal;
}

/** One token, or the reason why there are no more. */
export type GenerateEvent = TokenEvent | DoneEvent;

/** A generated token. */
export interface TokenEvent {
  readonly type: "token";
  readonly token: number;
  /** Natural logarithm of its probability before any sampling step, where asked for. */
  readonly logprob?: number;
  /** The likeliest tokens, best first, where asked for. */
  readonly top?: readonly { readonly token: number; readonly logprob: number }[];
}

/** The end of an answer. */
export interface DoneEvent {
  readonly type: "done";
  /** `stop`: a stop token; `length`: `maxTokens` or the context were used up. */
  readonly reason: "stop" | "length";
  readonly timings: GenerateTimings;
}

/** Durations in milliseconds, by the engine's monotonic clock. */
export interface GenerateTimings {
  /** From arrival to the first step that held a row of this request. */
  readonly queueMs: number;
  /** From there to the first token. */
  readonly prefillMs: number;
  /** From the first token to the last. */
  readonly decodeMs: number;
  readonly promptTokens: number;
  readonly generatedTokens: number;
  /** Times that its cache was taken away and computed again. */
  readonly preemptions: number;
}

/** Tokens to judge. */
export interface ScoreRequest {
  readonly tokens: readonly number[];
  /** First token that is judged, ≥ 1. */
  readonly from: number;
  readonly signal?: AbortSignal;
}

/** A look at the loop. Counters only grow; they cover generate and score alike. */
export interface EngineStats {
  readonly running: number;
  readonly waiting: number;
  readonly kvBlocksUsed: number;
  readonly kvBlocksTotal: number;
  readonly steps: number;
  /** Rows computed, prompts and recomputation included. */
  readonly rows: number;
  readonly promptTokens: number;
  readonly generatedTokens: number;
  readonly preemptions: number;
  /**
   * Milliseconds since the last finished step, or 0 while idle: liveness is progress. An engine that
   * can never finish one again, as its device failed, is not idle.
   */
  readonly stalledMs: number;
}
