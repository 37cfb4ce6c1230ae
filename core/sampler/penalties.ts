import type { SamplingParams } from "./params.ts";
import type { Scratch } from "./scratch.ts";

/** Whether the penalties of these parameters change anything. */
export function hasPenalties(params: SamplingParams): boolean {
  const { repeatLastN, repeatPenalty, presencePenalty, frequencyPenalty } = params;
  if (repeatLastN === 0) return false;
  return repeatPenalty !== 1 || presencePenalty !== 0 || frequencyPenalty !== 0;
}

/** Add the biases of `logitBias`; tokens outside the vocabulary are passed over. */
export function applyBias(logits: Float32Array, params: SamplingParams): void {
  for (const [token, bias] of params.logitBias) {
    if (token >= 0 && token < logits.length) logits[token] = logits[token]! + bias;
  }
}

/**
 * Make the last `repeatLastN` tokens less likely, as llama.cpp does: the repeat penalty divides a
 * positive logit and multiplies another once, presence is subtracted once, frequency per occurrence.
 */
export function applyPenalties(
  logits: Float32Array,
  tokens: readonly number[],
  params: SamplingParams,
  { counts }: Scratch,
): void {
  const { repeatLastN, repeatPenalty, presencePenalty, frequencyPenalty } = params;
  const from = repeatLastN < 0 ? 0 : Math.max(0, tokens.length - repeatLastN);
  for (let i = from; i < tokens.length; i++) counts[tokens[i]!] = counts[tokens[i]!]! + 1;
  for (let i = from; i < tokens.length; i++) {
    const token = tokens[i]!;
    const count = counts[token]!;
    if (count === 0) continue; // done at an earlier occurrence
    counts[token] = 0;
    const logit = logits[token]!;
    const repeated = logit <= 0 ? logit * repeatPenalty : logit / repeatPenalty;
    logits[token] = repeated - count * frequencyPenalty - presencePenalty;
  }
}
