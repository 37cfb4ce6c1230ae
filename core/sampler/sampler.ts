import { narrow, weightOf } from "./candidates.ts";
import { MAX_VOCAB, argmax, maximum } from "./order.ts";
import type { SamplingParams } from "./params.ts";
import { applyBias, applyPenalties, hasPenalties } from "./penalties.ts";
import { uniform } from "./random.ts";
import { type Scratch, scratchFor } from "./scratch.ts";

/** Turns logits into tokens for one request. It has no state: the same arguments, the same token. */
export interface Sampler {
  /**
   * Pick a token. `logits`[vocabSize] may be overwritten; `tokens` is all that came before, prompt
   * included; `index` is how many tokens this request has generated. Never throws on the values of
   * logits: NaN counts as impossible, and where no token is possible the answer is token 0.
   */
  sample(logits: Float32Array, tokens: readonly number[], index: number): number;
}

/**
 * A sampler in llama.cpp's default order: bias, penalties, top-k, typical, top-p, min-p, temperature.
 * Only IEEE arithmetic is used, so every runtime picks the same tokens. Throws `RangeError` for a
 * vocabulary beyond {@linkcode MAX_VOCAB}.
 */
export function createSampler(params: SamplingParams, vocabSize: number): Sampler {
  if (!(vocabSize >= 1 && vocabSize <= MAX_VOCAB)) {
    throw new RangeError(
      `Cannot sample from ${vocabSize} tokens: 1 to ${MAX_VOCAB} can be ordered`,
    );
  }
  const penalise = hasPenalties(params);

  function sample(logits: Float32Array, tokens: readonly number[], index: number): number {
    if (logits.length !== vocabSize) {
      throw new RangeError(`Cannot sample from ${logits.length} logits: expected ${vocabSize}`);
    }
    const scratch = scratchFor(vocabSize);
    applyBias(logits, params);
    if (penalise) applyPenalties(logits, tokens, params, scratch);
    if (params.temperature <= 0) return argmax(logits);

    const kept = narrow(logits, params, scratch);
    const random = uniform(params.seed, index);
    if (kept < 0) return drawFromAll(logits, params.temperature, random, scratch);
    return drawFrom(logits, kept, params.temperature, random, scratch);
  }

  return { sample };
}

/*
 * A draw goes through its tokens by ascending id, so that it depends on which tokens were kept and
 * how likely they are, not on how they were found.
 */

function drawFromAll(
  logits: Float32Array,
  temperature: number,
  random: number,
  { weights }: Scratch,
): number {
  const max = maximum(logits);
  let mass = 0;
  for (let id = 0; id < logits.length; id++) {
    const weight = weightOf(logits[id]!, max, temperature);
    weights[id] = weight;
    mass += weight;
  }
  return walk(weights, logits.length, random * mass);
}

function drawFrom(
  logits: Float32Array,
  count: number,
  temperature: number,
  random: number,
  { ids, weights }: Scratch,
): number {
  const max = logits[ids[0]!]!;
  const kept = ids.subarray(0, count);
  kept.sort();
  let mass = 0;
  for (let i = 0; i < count; i++) {
    const weight = weightOf(logits[kept[i]!]!, max, temperature);
    weights[i] = weight;
    mass += weight;
  }
  return kept[walk(weights, count, random * mass)]!;
}

/** Index of the weight at which the running sum passes `target`. */
function walk(weights: Float64Array, count: number, target: number): number {
  let last = 0;
  for (let i = 0, sum = 0; i < count; i++) {
    const weight = weights[i]!;
    if (weight === 0) continue;
    sum += weight;
    if (sum > target) return i;
    last = i;
  }
  // Rounding may leave the target at the sum itself.
  return last;
}
