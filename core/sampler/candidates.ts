import { log } from "../numeric/log.ts";
import type { LogitSummary } from "../tensor/logits.ts";
import { argmax, keyOf, maximum, selectTop, sorted } from "../tensor/order.ts";
import { weightOf } from "../tensor/reduce-logits.ts";
import type { SamplingParams } from "./params.ts";
import type { Scratch } from "./scratch.ts";
import { keepMinP, keepTopP, keepTypical } from "./truncate.ts";

/*
 * Both functions narrow the vocabulary down by top-k, typical, top-p and min-p, in llama.cpp's order.
 * The ids and logits of what is left are in `scratch`; they return how many that is, at least one.
 */

/** Narrow what a backend has reported; -1 where the candidates are too few to tell. */
export function narrowSummary(
  summary: LogitSummary,
  params: SamplingParams,
  vocabSize: number,
  scratch: Scratch,
): number {
  const { topK, typicalP, topP, minP } = params;
  const count = summary.ids.length;
  scratch.ids.set(summary.ids);
  scratch.logits.set(summary.logits);
  if (count === vocabSize || (topK > 0 && topK <= count)) {
    return truncate(topK > 0 ? Math.min(topK, count) : count, params, scratch);
  }
  if (topK > 0 || typicalP < 1) return -1;
  if (topP < 1) {
    const kept = prefix(scratch.logits, count, topP * summary.mass);
    return kept >= 0 && minP > 0 ? keepMinP(scratch.logits, kept, minP) : kept;
  }
  const kept = keepMinP(scratch.logits, count, minP);
  return kept === count ? -1 : kept;
}

/** How many candidates it takes for weights of `goal`; -1 where they are too few. */
function prefix(logits: Float32Array, count: number, goal: number): number {
  const max = logits[0]!;
  let sum = 0;
  for (let i = 0; i < count; i++) {
    sum += weightOf(logits[i]!, max, 1);
    if (sum >= goal) return i + 1;
  }
  return -1;
}

/**
 * Narrow a row of the whole vocabulary; -1 where nothing narrows it.
 *
 * @param mass What a backend has found its weights to add up to, so that top-p does not depend on
 * whether candidates were enough.
 */
export function narrow(
  logits: Float32Array,
  params: SamplingParams,
  scratch: Scratch,
  mass?: number,
): number {
  const { topK, typicalP, topP, minP } = params;
  const vocab = logits.length;
  const all = topK <= 0 || topK >= vocab;
  if (all && typicalP >= 1 && topP >= 1 && minP <= 0) return -1;

  // Only as much of the vocabulary is sorted as the first step that applies needs to see.
  if (!all || typicalP < 1) {
    const count = selectTop(logits, all ? vocab : topK, scratch.keys, scratch.ids);
    gather(logits, count, scratch);
    return truncate(count, params, scratch);
  }
  if (topP >= 1)
    return keepMinP(scratch.logits, above(logits, maximum(logits) + log(minP), scratch), minP);
  const count = nucleus(logits, topP, mass, scratch);
  return minP > 0 ? keepMinP(scratch.logits, count, minP) : count;
}

/** Typical, top-p and min-p among candidates, likeliest first. */
function truncate(candidates: number, params: SamplingParams, scratch: Scratch): number {
  const { typicalP, topP, minP } = params;
  const { ids, logits, weights } = scratch;
  let count = candidates;
  if (typicalP < 1 || topP < 1) {
    let mass = weigh(count, scratch);
    if (typicalP < 1) {
      count = keepTypical(ids, logits, weights, count, mass, typicalP);
      mass = weigh(count, scratch);
    }
    if (topP < 1) count = keepTopP(weights, count, topP * mass);
  }
  return minP > 0 ? keepMinP(logits, count, minP) : count;
}

/** The logits of the first `count` candidates. */
function gather(row: Float32Array, count: number, { ids, logits }: Scratch): void {
  for (let i = 0; i < count; i++) logits[i] = row[ids[i]!]!;
}

/** Weights of candidates by place, and their sum. */
function weigh(count: number, { logits, weights }: Scratch): number {
  const max = logits[0]!;
  let mass = 0;
  for (let i = 0; i < count; i++) {
    const weight = weightOf(logits[i]!, max, 1);
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

/** Top-p over the whole vocabulary; see {@linkcode narrow} for `mass`. */
function nucleus(
  row: Float32Array,
  topP: number,
  mass: number | undefined,
  scratch: Scratch,
): number {
  const max = maximum(row);
  buckets.fill(0);
  let own = 0;
  for (let id = 0; id < row.length; id++) {
    const weight = weightOf(row[id]!, max, 1);
    own += weight;
    buckets[bucketOf(row[id]!, max)]! += weight;
  }
  const goal = topP * (mass ?? own);
  let last = 0;
  for (let sum = buckets[0]!; sum < goal && last < BUCKETS - 1; sum += buckets[last]!) last++;

  let count = above(row, max - (last + 1) / BUCKETS_PER_UNIT, scratch);
  if (weigh(count, scratch) < goal) {
    // Below the last bucket, or sums in another order rounded otherwise: take all.
    count = above(row, -Infinity, scratch);
    weigh(count, scratch);
  }
  return keepTopP(scratch.weights, count, goal);
}

function bucketOf(logit: number, max: number): number {
  if (logit === max) return 0;
  const bucket = (max - logit) * BUCKETS_PER_UNIT;
  return bucket < BUCKETS ? Math.floor(bucket) : BUCKETS - 1;
}

/** The tokens with a logit of at least `floor`, in order. */
function above(logits: Float32Array, floor: number, scratch: Scratch): number {
  const { keys, ids } = scratch;
  let count = 0;
  for (let id = 0; id < logits.length; id++) {
    if (logits[id]! >= floor) keys[count++] = keyOf(logits[id]!, id);
  }
  // Nothing reaches a floor above the maximum, and nothing compares where there is no number.
  if (count === 0) keys[count++] = keyOf(0, argmax(logits));
  sorted(keys, count, count, ids);
  gather(logits, count, scratch);
  return count;
}
