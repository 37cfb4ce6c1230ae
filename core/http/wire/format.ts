import type { AnswerText } from "../../answer/answer.ts";
import type { ToolCallDelta, TurnDone } from "../../tools/events.ts";

/** What every chunk and every whole answer repeats. */
export interface Head {
  readonly id: string;
  /** Unix seconds. */
  readonly created: number;
  readonly model: string;
  readonly fingerprint: string;
}

/** How an answer is written: one implementation for conversations, one for plain completions. */
export interface Format {
  /** Chunks that a stream begins with. */
  opening(): readonly object[];
  text(event: AnswerText): object;
  /** A piece of a call; only conversations have them. */
  toolCall(event: ToolCallDelta): object;
  /** The last chunk with a choice: why the answer ended. */
  finish(done: TurnDone): object;
  /** A chunk without choices that tells the usage. */
  usage(done: TurnDone): object;
  /** The answer in one piece. */
  whole(texts: readonly AnswerText[], calls: readonly ToolCallDelta[], done: TurnDone): object;
}

/** OpenAI's token counts. */
export interface WireUsage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
  /** Tokens of the prompt that did not have to be computed. */
  readonly prompt_tokens_details: { readonly cached_tokens: number };
}

/** Durations beside the usage; names shared with llama-server mean the same. */
export interface WireTimings {
  readonly prompt_n: number;
  /** Milliseconds of the prompt alone, and of waiting before it, where the engine has told. */
  readonly prompt_ms?: number;
  readonly queue_ms?: number;
  /** Milliseconds to the first token. */
  readonly ttft_ms: number;
  readonly predicted_n: number;
  /** Milliseconds from the first token to the last. */
  readonly predicted_ms: number;
  /** Tokens after the first per second; `null` where there were too few to tell. */
  readonly predicted_per_second: number | null;
}

/** Usage and timings of an answer, as fields of a chunk or a whole answer. */
export function toUsage({ usage, timings }: TurnDone): {
  usage: WireUsage;
  timings: WireTimings;
} {
  const { promptTokens, cachedTokens, completionTokens } = usage;
  const { firstTokenMs, decodeMs, engine } = timings;
  const measurable = completionTokens > 1 && decodeMs > 0;
  return {
    usage: {
      prompt_tokens: promptTokens,
      completion_tokens: completionTokens,
      total_tokens: promptTokens + completionTokens,
      prompt_tokens_details: { cached_tokens: cachedTokens },
    },
    timings: {
      prompt_n: promptTokens,
      ...(engine === undefined
        ? {}
        : { prompt_ms: round(engine.prefillMs), queue_ms: round(engine.queueMs) }),
      ttft_ms: round(firstTokenMs),
      predicted_n: completionTokens,
      predicted_ms: round(decodeMs),
      predicted_per_second: measurable ? round(((completionTokens - 1) / decodeMs) * 1000) : null,
    },
  };
}

/** Microseconds are below what any clock here resolves. */
function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
