import { exp } from "../numeric/exp.ts";
import { log } from "../numeric/log.ts";
import { argmax, keyOf, maximum, selectTop, sorted } from "./order.ts";
import type { SamplingParams } from "./params.ts";
import type { Scratch } from "./scratch.ts";
import { keepMinP, keepTopP, keepTypical } from "./truncate.ts";

/**
 * Narrow the vocabulary down by top-k, typical, top-p and min-p, in llama.cpp's order. The ids of
 * what is left are in `scratch.ids`; returns how many, at least one, or -1 for the whole vocabulary.
 */
export function narrow(logits: Float32Array, params: SamplingParams, scratch: Scratch): number {
  const { topK, typicalP, topP, minP } = params;
  const { keys, ids, weights } = scratch;
  const vocab = logits.length;
  const all = topK <= 0 || topK >= vocab;
  if (all && typicalP >= 1 && topP >= 1 && minP <= 0) return -1;

  // Only as much of the vocabulary is sorted as the first step that applies needs to see.
  let count: number;
  if (!all || typicalP < 1) {
    count = selectTop(logits, all ? vocab : topK, keys, ids);
    let mass = weigh(logits, ids, count, weights);
    if (typicalP < 1) {
      count = keepTypical(logits, ids, weights, count, mass, typicalP);
      mass = weigh(logits, ids, count, weights);
    }
    if (topP < 1) count = keepTopP(weights, count, topP * mass);
  } else if (topP < 1) {
    count = nucleus(logits, topP, scratch);
  } else {
    count = above(logits, maximum(logits) + log(minP), scratch);
  }
  return minP > 0 ? keepMinP(logits, ids, count, minP) : count;
}

/** e^((logit - max) / temperature), also where both are the same infinity; 0 for NaN. */
export function weightOf(logit: number, max: number, temperature: number): number {
  if (logit === max) return 1;
  const weight = exp((logit - max) / temperature);
  // NaN or, where every logit is -Infinity or NaN, no difference at all: both are impossible tokens.
  return weight <= 1 ? weight : 0;
}

/** Weights of candidates by place, and their sum. */
function weigh(
  logits: Float32Array,
  ids: Uint32Array,
  count: number,
  weights: Float64Array,
): number {
  const max = logits[ids[0]!]!;
  let mass = 0;
  for (let i = 0; i < count; i++) {
    const weight = weightOf(logits[ids[i]!]!, max, 1);
    weights[i] = weight;
    mass += weight;
  }
  return mass;
}

/** Buckets of logits by distance from the largest, so that only the nucleus needs sorting. */
const BUCKETS = 512;
/** 32 natural units of logit, the last bucket takes what lies below: less than e^-32 each. */
const BUCKETS_PER_UNIT = 16;
const buckets = new Float64Array(BUCKETS);

/** Top-p over the whole vocabulary. */
function nucleus(logits: Float32Array, topP: number, scratch: Scratch): number {
  const { ids, weights } = scratch;
  const max = maximum(logits);
  buckets.fill(0);
  let mass = 0;
  for (let id = 0; id < logits.length; id++) {
    const weight = weightOf(logits[id]!, max, 1);
    mass += weight;
    buckets[bucketOf(logits[id]!, max)]! += weight;
  }
  const goal = topP * mass;
  let last = 0;
  for (let sum = buckets[0]!; sum < goal && last < BUCKETS - 1; sum += buckets[last]!) last++;

  let count = above(logits, max - (last + 1) / BUCKETS_PER_UNIT, scratch);
  if (weigh(logits, ids, count, weights) < goal) {
    // Below the last bucket, or sums in another order rounded otherwise: take all.
    count = above(logits, -Infinity, scratch);
    weigh(logits, ids, count, weights);
  }
  return keepTopP(weights, count, goal);
}

function bucketOf(logit: number, max: number): number {
  if (logit === max) return 0;
  const bucket = (max - logit) * BUCKETS_PER_UNIT;
  return bucket < BUCKETS ? Math.floor(bucket) : BUCKETS - 1;
}

/** The tokens with a logit of at least `floor`, in order. */
function above(logits: Float32Array, floor: number, { keys, ids }: Scratch): number {
  let count = 0;
  for (let id = 0; id < logits.length; id++) {
    if (logits[id]! >= floor) keys[count++] = keyOf(logits[id]!, id);
  }
  // Nothing reaches a floor above the maximum, and nothing compares where there is no number.
  if (count === 0) keys[count++] = keyOf(0, argmax(logits));
  return sorted(keys, count, count, ids);
}
