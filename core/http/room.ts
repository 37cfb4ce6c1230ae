import { RuntimeError } from "../errors.ts";
import type { ServedModel } from "./deps.ts";
import type { Exchange } from "./exchange.ts";
import type { Asked } from "./wire/asked.ts";

/* What context, vocabulary and the caller's allowance leave room for. */

/**
 * Set the tokens of all answers aside; returns how many each may have, whatever its own room. Throws
 * `RATE_LIMITED`.
 */
export function reserve(
  exchange: Exchange,
  { maxTokens, candidates }: Asked,
  promptTokens: number,
  rooms: readonly number[],
): number {
  const answers = rooms.length * candidates;
  const room = sum(rooms) * candidates;
  const asked = maxTokens === undefined ? undefined : maxTokens * answers;
  const granted = exchange.reserve(promptTokens, asked, room);
  // An answer cut off by the context ends with `length`, as one cut off by max_tokens does.
  if (maxTokens !== undefined || granted >= room) return maxTokens ?? Infinity;
  return Math.max(Math.floor(granted / answers), 1);
}

/** All of them together. */
export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}

/** How many tokens the context has room for. Throws `CONTEXT_LENGTH_EXCEEDED` where there is room for none. */
export function roomFor(model: ServedModel, asked: Asked, promptTokens: number): number {
  const room = model.contextLength - promptTokens;
  if (room < 1) {
    throw new RuntimeError(
      "CONTEXT_LENGTH_EXCEEDED",
      `This model's maximum context length is ${model.contextLength} tokens, prompt and answer together; the prompt has ${promptTokens}. Shorten it`,
      { param: asked.promptParam },
    );
  }
  return room;
}

/** Throws `INVALID_REQUEST` where a token does not exist; the vocabulary is known only now. */
export function checkBiases(model: ServedModel, asked: Asked): void {
  const unknown = asked.sampling.logitBias.find(([token]) => token >= model.engine.info.vocabSize);
  if (unknown === undefined) return;
  throw new RuntimeError(
    "INVALID_REQUEST",
    `Cannot accept 'logit_bias': token ${unknown[0]} is not among the ${model.engine.info.vocabSize} of this model`,
    { param: "logit_bias" },
  );
}
