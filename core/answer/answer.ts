import type { Engine, GenerateEvent, GenerateRequest, GenerateTimings } from "../engine/engine.ts";
import type { Constraint } from "../grammar/constraint.ts";
import type { Grammar } from "../grammar/grammar.ts";
import { tokenBytes } from "../grammar/token-bytes.ts";
import type { SamplingParams } from "../sampler/params.ts";
import type { TokenDecoder, Tokenizer } from "../tokenizer/tokenizer.ts";
import { createStopMatcher, type StopResult } from "./stop.ts";
import { createTokenQueue, type AnswerToken } from "./token.ts";

/** What to answer. */
export interface AnswerRequest {
  /** The prompt's tokens, at least one. */
  readonly prompt: readonly number[];
  /** At most this many tokens, ≥ 1. */
  readonly maxTokens: number;
  /** How to choose tokens. */
  readonly sampling: SamplingParams;
  /** The answer ends before the first of these. */
  readonly stop: readonly string[];
  /** Report each token's log-probability and this many alternatives. */
  readonly logprobs?: number;
  /** The texts that the answer may be. */
  readonly grammar?: Grammar;
  /** Control tokens that are to be seen in the text, and how they are written there. */
  readonly spelled?: ReadonlyMap<number, string>;
  /**
   * Tokens that were generated elsewhere, by a server that was lost: their text comes at once, and the answer goes
   * on behind them as if it had been computed here from its beginning. Not with `logprobs`.
   */
  readonly emitted?: readonly number[];
  /** See `GenerateRequest`. */
  readonly admitted?: boolean;
  /** Ends the answer with `ABORTED`. */
  readonly signal?: AbortSignal;
  /** Whose it is; see `GenerateRequest`. */
  readonly tenant?: string;
  /** See `GenerateRequest`. */
  readonly priority?: number;
  /** See `GenerateRequest`. */
  readonly deadlineMs?: number;
  /** Called as each token arrives, before its text is released; for latency metrics. */
  readonly onToken?: () => void;
}

/** A piece of the answer, or its end; `done` comes last and once. */
export type AnswerEvent = AnswerText | AnswerDone;

/** Text that is final. */
export interface AnswerText {
  /** Tells the events apart. */
  readonly type: "text";
  /** Whole characters; empty only where `tokens` has something that shows no text. */
  readonly text: string;
  /** The tokens whose text begins here, where log-probabilities were asked for. */
  readonly tokens: readonly AnswerToken[];
}

/** Why the answer ended and what it took. */
export interface AnswerDone {
  /** Tells the events apart. */
  readonly type: "done";
  /** `stop`: a stop token or a stop string; `length`: the token limit. */
  readonly reason: "stop" | "length";
  /** The stop string that ended the answer. */
  readonly stopSequence?: string;
  /** Tokens of the prompt, how many of those were found in the cache, and tokens of the answer. */
  readonly usage: {
    readonly promptTokens: number;
    readonly cachedTokens: number;
    readonly completionTokens: number;
  };
  /** How long it took. */
  readonly timings: AnswerTimings;
}

/** Durations in milliseconds. */
export interface AnswerTimings {
  /** From asking the engine to the first token; the whole time where there was none. */
  readonly firstTokenMs: number;
  /** From the first token to the last. */
  readonly decodeMs: number;
  /** The engine's own account; absent where a stop string cut generation short. */
  readonly engine?: GenerateTimings;
}

/**
 * An answer as text: the engine's tokens decoded, with stop strings honoured and only text released
 * that is final. Generation is aborted as soon as a stop string is complete, and when the caller
 * leaves the loop or aborts the signal. Throws what `Engine.generate` throws.
 *
 * @param now Monotonic clock in milliseconds.
 */
export async function* answer(
  engine: Engine,
  tokenizer: Tokenizer,
  request: AnswerRequest,
  now: () => number = () => performance.now(),
): AsyncGenerator<AnswerEvent, void, undefined> {
  const decoder = spelling(tokenizer.decoder(request.prompt), request.spelled);
  const stops = createStopMatcher(request.stop);
  const details = createTokenQueue(tokenizer, request.logprobs !== undefined);
  const asked = now();
  let first: number | undefined;
  let last: number | undefined;
  let completionTokens = 0;
  let cachedTokens = 0;
  let reason: AnswerDone["reason"] = "stop";
  let stopped: StopResult | undefined;
  let timings: GenerateTimings | undefined;

  const { emitted = [] } = request;
  for await (const event of generated(engine, toGenerate(request, tokenizer))) {
    if (event.type === "done") {
      reason = event.reason;
      timings = event.timings;
      break;
    }
    completionTokens++;
    if (completionTokens > emitted.length) {
      last = now();
      first ??= last;
      request.onToken?.();
    }
    cachedTokens += event.cachedTokens ?? 0;
    const decoded = decoder.push(event.token);
    details.add(event, decoded);
    const released = stops.push(decoded);
    if (released.stop !== undefined) {
      // Leave first and speak afterwards: a slow reader must not keep the slot.
      stopped = released;
      break;
    }
    const { text } = released;
    const tokens = details.take(text);
    if (text !== "" || tokens.length > 0) yield { type: "text", text, tokens };
  }

  const tail = stopped ?? stops.push(decoder.end());
  const text = tail.stop === undefined ? tail.text + stops.end() : tail.text;
  const tokens = tail.stop === undefined ? details.takeAll() : details.take(text);
  if (text !== "" || tokens.length > 0) yield { type: "text", text, tokens };
  yield {
    type: "done",
    reason: tail.stop === undefined ? reason : "stop",
    ...(tail.stop === undefined ? {} : { stopSequence: tail.stop }),
    usage: { promptTokens: request.prompt.length, cachedTokens, completionTokens },
    timings: toTimings(asked, first ?? now(), last, timings),
  };
}

/** Durations of an answer: from `asked` to its first token, and to its last one where there was any. */
function toTimings(
  asked: number,
  first: number,
  last: number | undefined,
  engine: GenerateTimings | undefined,
): AnswerTimings {
  return {
    firstTokenMs: first - asked,
    decodeMs: last === undefined ? 0 : last - first,
    ...(engine === undefined ? {} : { engine }),
  };
}

/** Tokens that are known, as events, and then those that are generated behind them. */
function generated(engine: Engine, request: GenerateRequest): AsyncIterable<GenerateEvent> {
  const { emitted } = request;
  // One generator less for each token, where there are none.
  return emitted === undefined ? engine.generate(request) : behind(emitted, engine, request);
}

async function* behind(
  emitted: readonly number[],
  engine: Engine,
  request: GenerateRequest,
): AsyncGenerator<GenerateEvent, void, undefined> {
  for (const token of emitted) yield { type: "token", token };
  yield* engine.generate(request);
}

/** A decoder that writes some control tokens out. */
function spelling(
  decoder: TokenDecoder,
  spelled: ReadonlyMap<number, string> | undefined,
): TokenDecoder {
  if (spelled === undefined) return decoder;
  return { ...decoder, push: (token) => decoder.push(token) + (spelled.get(token) ?? "") };
}

function toGenerate(request: AnswerRequest, tokenizer: Tokenizer): GenerateRequest {
  const { prompt, maxTokens, sampling, logprobs, grammar, tenant, priority, deadlineMs } = request;
  const { emitted, admitted, signal } = request;
  return {
    tokens: prompt,
    maxTokens,
    sampling,
    stopTokens: [...tokenizer.stops],
    ...(logprobs === undefined ? {} : { logprobs }),
    ...(grammar === undefined ? {} : { constraint: constrain(grammar, prompt, tokenizer) }),
    ...(tenant === undefined ? {} : { tenant }),
    ...(priority === undefined ? {} : { priority }),
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
    ...(emitted === undefined ? {} : { emitted }),
    ...(admitted === undefined ? {} : { admitted }),
    ...(signal === undefined ? {} : { signal }),
  };
}

function constrain(grammar: Grammar, prompt: readonly number[], tokenizer: Tokenizer): Constraint {
  const vocabulary = tokenBytes(tokenizer);
  const blank = vocabulary.blank;
  return {
    grammar,
    vocabulary,
    blank: blank !== undefined && tokenizer.decoder(prompt).push(blank) === "",
  };
}
