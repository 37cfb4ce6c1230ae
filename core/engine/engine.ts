import type { Breakage } from "./breakage.ts";
import type { Constraint } from "../grammar/constraint.ts";
import type { Pooling } from "../model/model.ts";
import type { SamplingParams } from "../sampler/params.ts";
import type { Choice } from "../tensor/choice.ts";
import type { LoraUse } from "./lora.ts";
import type { KvType } from "../tensor/kv-type.ts";

/**
 * A model being served: many callers, one loop. The same interface is implemented in process
 * (`loop.ts`) and over a MessagePort (`remote.ts`), so callers need not know where the model runs.
 */
export interface Engine {
  /** What is served and by what. */
  readonly info: EngineInfo;
  /**
   * Generate tokens. Ends after a `done` event; leaving the loop early or aborting the signal frees
   * the slot within one step. Throws `RuntimeError`: `ABORTED`, `CONTEXT_LENGTH_EXCEEDED`,
   * `QUEUE_FULL`, `DEADLINE_EXCEEDED`, `NOT_READY`; `INVALID_REQUEST` for a constraint that is too
   * ambiguous to follow.
   */
  generate(request: GenerateRequest): AsyncIterable<GenerateEvent>;
  /** Log-probabilities of `tokens[from..]`, each given all tokens before it, for perplexity. */
  score(request: ScoreRequest): Promise<Float64Array>;
  /**
   * One vector [dim] of Euclidean length 1 for a text, made of its tokens' final hidden states. Its bits do
   * not depend on what else runs. Throws as {@linkcode Engine.generate} does.
   */
  embed(request: EmbedRequest): Promise<Float32Array>;
  /** What the loop is doing now. */
  stats(): EngineStats;
  /** Stop after the current step; waiting and running requests end with `NOT_READY`. */
  close(): Promise<void>;
}

/** An engine that says when it has broken: its device was lost, a kernel trapped, its worker died. */
export interface MortalEngine extends Engine {
  /**
   * Why it can never finish a step again; absent while it can. It is there before any request fails of it, so that
   * whoever sees a request fail can look whether the request was at fault.
   */
  readonly breakage: Breakage | undefined;
  /** Resolves with that, also where nothing is asked of it. */
  readonly broken: Promise<Breakage>;
  /** Give it up from outside: its requests end with `breakage.error`. Only the first breakage counts. */
  abandon(breakage: Breakage): void;
}

/** What is served and by what; fixed once loaded. */
export interface EngineInfo {
  /** `wasm-simd128`, `wasm-relaxed`, `reference`, … */
  readonly backend: string;
  /** Why this one; absent where nobody said. */
  readonly choice?: Choice;
  /** Threads that compute. */
  readonly threads: number;
  /** How keys and values are cached. */
  readonly kvType: KvType;
  /** It embeds and generates nothing. */
  readonly embedsOnly?: true;
  /** Tokens are numbers below this. */
  readonly vocabSize: number;
  /** Names of the adapters that requests may take; absent where there are none. */
  readonly lora?: readonly string[];
  /** Tokens that one request may hold, prompt and answer together. */
  readonly contextLength: number;
  /** Requests that may be in progress, those that wait included; the next one is refused with `QUEUE_FULL`. */
  readonly maxRequests: number;
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
  /** The prompt, at least one token. */
  readonly tokens: readonly number[];
  /** At most this many new tokens, ≥ 1. Fewer where the context ends first. */
  readonly maxTokens: number;
  /** How to choose tokens. */
  readonly sampling: SamplingParams;
  /** Tokens that end the answer; they are reported in the `done` event, not as tokens. */
  readonly stopTokens: readonly number[];
  /** The adapters that it takes; absent means none. */
  readonly lora?: readonly LoraUse[];
  /** Report the log-probability of each token and of this many alternatives. */
  readonly logprobs?: number;
  /**
   * What has been generated already, by an engine that broke: the answer goes on behind it, bit by bit as if it had
   * never stopped. `maxTokens` and the `done` event count these tokens, events tell of later ones only.
   */
  readonly emitted?: readonly number[];
  /** What the answer has to be; it then ends only where that is complete, or at `maxTokens`. */
  readonly constraint?: Constraint;
  /**
   * Whose request it is: queueing is fair between tenants, and no cached prefix is shared between them.
   * Absent: anybody's.
   */
  readonly tenant?: string;
  /** Higher goes first, from -4 to 4; absent means 0. Each step doubles a tenant's share. */
  readonly priority?: number;
  /** Milliseconds after which it ends with `DEADLINE_EXCEEDED`, answered or not. */
  readonly deadlineMs?: number;
  /** It was let in before, by an engine that broke: no limit of the queue refuses it. */
  readonly admitted?: boolean;
  /** Ends the request with `ABORTED`. */
  readonly signal?: AbortSignal;
}

/** One token, or the reason why there are no more. */
export type GenerateEvent = TokenEvent | DoneEvent;

/** A generated token. */
export interface TokenEvent {
  /** Tells the events apart. */
  readonly type: "token";
  /** Its number in the vocabulary. */
  readonly token: number;
  /** Natural logarithm of its probability before any sampling step, where asked for. */
  readonly logprob?: number;
  /** The likeliest tokens, best first, where asked for. */
  readonly top?: readonly { readonly token: number; readonly logprob: number }[];
  /** With the first token: how many tokens of the prompt were found in the cache, where any were. */
  readonly cachedTokens?: number;
}

/** The end of an answer. */
export interface DoneEvent {
  /** Tells the events apart. */
  readonly type: "done";
  /** `stop`: a stop token; `length`: `maxTokens` or the context were used up. */
  readonly reason: "stop" | "length";
  /** How long it took. */
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
  /** Tokens of the prompt. */
  readonly promptTokens: number;
  /** Tokens of the answer. */
  readonly generatedTokens: number;
  /** Times that its cache was taken away and computed again. */
  readonly preemptions: number;
}

/** Tokens to judge. */
export interface ScoreRequest {
  /** The text, at least one token. */
  readonly tokens: readonly number[];
  /** First token that is judged, ≥ 1. */
  readonly from: number;
  /** As of a {@linkcode GenerateRequest}. */
  readonly lora?: readonly LoraUse[];
  /** As of a {@linkcode GenerateRequest}. */
  readonly admitted?: boolean;
  /** Ends the request with `ABORTED`. */
  readonly signal?: AbortSignal;
}

/** A text to embed. */
export interface EmbedRequest {
  /** At least one token. */
  readonly tokens: readonly number[];
  /** `mean` of all tokens' states, that of the `last`, which alone has seen all of them, or that of the first, `cls`. */
  readonly pooling: Pooling;
  /** As of a {@linkcode GenerateRequest}. */
  readonly lora?: readonly LoraUse[];
  /** As of a {@linkcode GenerateRequest}. */
  readonly tenant?: string;
  /** As of a {@linkcode GenerateRequest}. */
  readonly priority?: number;
  /** As of a {@linkcode GenerateRequest}. */
  readonly admitted?: boolean;
  /** Ends the request with `ABORTED`. */
  readonly signal?: AbortSignal;
}

/** A look at the loop. Counters only grow; they cover generate and score alike. */
export interface EngineStats {
  /** Requests that have a slot. */
  readonly running: number;
  /** Requests that wait for one. */
  readonly waiting: number;
  /** Cache blocks in use. */
  readonly kvBlocksUsed: number;
  /** Cache blocks in all. */
  readonly kvBlocksTotal: number;
  /** Steps computed. */
  readonly steps: number;
  /** Rows computed, prompts and recomputation included. */
  readonly rows: number;
  /** Rows that those who run or wait will still take, by how long answers have been of late. */
  readonly rowsAhead: number;
  /** Rows computed per second of the last seconds in which there was something to do; 0 before the first step. */
  readonly rowsPerSecond: number;
  /** Tokens of prompts. */
  readonly promptTokens: number;
  /** Tokens generated. */
  readonly generatedTokens: number;
  /** Times that a request's cache was taken away. */
  readonly preemptions: number;
  /** Tokens of sequences that got a slot. */
  readonly prefixQueries: number;
  /** How many of those were found in the cache. */
  readonly prefixHits: number;
  /** Guesses of next tokens that were verified. */
  readonly draftedTokens: number;
  /** How many of them were right. */
  readonly acceptedTokens: number;
  /** Guesses of a draft model among those that were verified. */
  readonly modelDraftedTokens: number;
  /** How many of those were right. */
  readonly modelAcceptedTokens: number;
  /** [layers][experts] rows that took each expert, some steps late; absent where the model has none. */
  readonly expertRows?: readonly (readonly number[])[];
  /**
   * Milliseconds since the last finished step, or 0 while idle: liveness is progress. An engine that
   * can never finish one again, as its device failed, is not idle.
   */
  readonly stalledMs: number;
}
