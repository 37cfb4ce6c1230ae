import { log } from "../numeric/log.ts";
import { weightOf } from "./candidates.ts";
import { maximum, selectTop } from "./order.ts";
import { scratchFor } from "./scratch.ts";

/** How likely a token was, and what else was likely. */
export interface TokenLogprobs {
  /** Natural logarithm of the token's probability; -Infinity for an impossible one. */
  readonly logprob: number;
  /** The likeliest tokens, best first, lower id first on a tie. */
  readonly top: readonly { readonly token: number; readonly logprob: number }[];
}

/** Log-probabilities under the softmax of untouched logits: of `token` and of the `n` likeliest. */
export function logprobs(logits: Float32Array, token: number, n: number): TokenLogprobs {
  const max = maximum(logits);
  const logMass = log(massOf(logits, max));
  const { keys, ids } = scratchFor(logits.length);
  const count = n > 0 ? selectTop(logits, Math.min(n, logits.length), keys, ids) : 0;
  const top: { token: number; logprob: number }[] = [];
  for (let i = 0; i < count; i++) {
    top.push({ token: ids[i]!, logprob: relative(logits[ids[i]!]!, max) - logMass });
  }
  return { logprob: relative(logits[token]!, max) - logMass, top };
}

/** Log-probability of `token` alone. */
export function logprobOf(logits: Float32Array, token: number): number {
  const max = maximum(logits);
  return relative(logits[token]!, max) - log(massOf(logits, max));
}

/** Sum of e^(logit - max), by ascending id: a fixed order is a fixed result, at least 1. */
function massOf(logits: Float32Array, max: number): number {
  let mass = 0;
  for (let id = 0; id < logits.length; id++) mass += weightOf(logits[id]!, max, 1);
  return mass === 0 ? 1 : mass;
}

/** logit - max where that means something. */
function relative(logit: number, max: number): number {
  if (logit === max) return 0;
  const difference = logit - max;
  return difference < 0 ? difference : -Infinity;
}
