import type { AnswerText } from "../../answer/answer.ts";
import type { ToolCallDelta, TurnDone } from "../../tools/events.ts";
import type { Failure } from "../failure.ts";
import type { Framing } from "./framing.ts";

/** What every chunk and every whole answer repeats. */
export interface Head {
  /** Of the answer, with its API's prefix. */
  readonly id: string;
  /** Unix seconds. */
  readonly created: number;
  /** The name of the model. */
  readonly model: string;
  /** `system_fingerprint`. */
  readonly fingerprint: string;
  /** Tokens of all prompts. */
  readonly promptTokens: number;
}

/** An answer that has ended: one of several where a request asked for so many. */
export interface Choice {
  readonly texts: readonly AnswerText[];
  readonly calls: readonly ToolCallDelta[];
  readonly done: TurnDone;
}

/** What all choices of a request took together. */
export type Total = Pick<TurnDone, "usage" | "timings">;

/** How an answer is written: one implementation for each API. Choices are numbered from 0 on. */
export interface Format {
  /** How chunks become a stream. */
  readonly framing: Framing;
  /** Chunks that a stream begins with. */
  opening(): readonly object[];
  text(event: AnswerText, choice: number): readonly object[];
  /** A piece of a call; only conversations have them. */
  toolCall(event: ToolCallDelta, choice: number): readonly object[];
  /** A choice has ended, as `done` says. */
  finish(done: TurnDone, choice: number): readonly object[];
  /** All choices have ended: the last chunks of a stream. */
  closing(total: Total): readonly object[];
  /** The last chunk of a stream that fails after it has begun. */
  failed(failure: Failure, requestId: string): object;
  /** The answer in one piece. */
  whole(choices: readonly Choice[], total: Total): object;
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

/**
 * What choices took together: tokens of their answers added up, those of each prompt counted once; the
 * earliest first token and the longest generation.
 *
 * @param dones As many for each prompt, prompt by prompt.
 */
export function toTotal(dones: readonly TurnDone[], prompts: number): Total {
  const firsts = dones.filter((_, i) => i % (dones.length / prompts) === 0);
  return {
    usage: {
      promptTokens: sum(firsts.map(({ usage }) => usage.promptTokens)),
      cachedTokens: sum(firsts.map(({ usage }) => usage.cachedTokens)),
      completionTokens: sum(dones.map(({ usage }) => usage.completionTokens)),
    },
    timings: {
      ...firsts[0]?.timings,
      firstTokenMs: Math.min(...dones.map(({ timings }) => timings.firstTokenMs)),
      decodeMs: Math.max(...dones.map(({ timings }) => timings.decodeMs)),
    },
  };
}

/** Usage and timings of an answer, as fields of a chunk or a whole answer. */
export function toUsage({ usage, timings }: Total): {
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

/** The text of a choice in one piece. */
export function textOf({ texts }: Choice): string {
  return texts.map(({ text }) => text).join("");
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}

/** Microseconds are below what any clock here resolves. */
function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
