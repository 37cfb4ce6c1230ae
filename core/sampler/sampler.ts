import {
  changeLogits,
  type LogitQuery,
  type LogitSummary,
  MAX_CANDIDATES,
} from "../tensor/logits.ts";
import { MAX_VOCAB, argmax, idOf, maximum } from "../tensor/order.ts";
import { drawLogit, weightOf } from "../tensor/reduce-logits.ts";
import { narrow, narrowSummary } from "./candidates.ts";
import type { SamplingParams } from "./params.ts";
import { createChanger } from "./penalties.ts";
import { uniform } from "./random.ts";
import { type Scratch, scratchFor } from "./scratch.ts";

/**
 * Turns logits into tokens for one request. It has no state: the same arguments, the same token. NaN
 * counts as impossible, and where no token is possible the answer is token 0.
 *
 * `tokens` is all that came before, prompt included; `index` is how many tokens this request has
 * generated.
 */
export interface Sampler {
  /** What {@linkcode Sampler.choose} needs to know of row `row`; valid until the next call. */
  ask(row: number, tokens: readonly number[], index: number): LogitQuery;
  /** Pick a token by the answer; undefined where that does not tell, and the row has to be seen. */
  choose(summary: LogitSummary, index: number): number | undefined;
  /** Pick a token from a row of logits[vocabSize], after the query has changed it. */
  chooseFromRow(logits: Float32Array, summary: LogitSummary, index: number): number;
  /** Pick a token from a row of untouched logits[vocabSize], which may be overwritten. */
  sample(logits: Float32Array, tokens: readonly number[], index: number): number;
}

/**
 * Candidates asked for where min-p alone decides how many it takes: enough for most tokens of a text,
 * few enough to find at once. Nuclei are larger, and to look at a whole row for one costs a millisecond.
 */
const MIN_P_CANDIDATES = 128;

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
  const { temperature, seed } = params;
  const changer = createChanger(params, vocabSize);
  const needs = needsOf(params, vocabSize);

  function ask(row: number, tokens: readonly number[], index: number): LogitQuery {
    const changes = changer(tokens, scratchFor(vocabSize));
    return {
      row,
      k: needs.k,
      mass: needs.mass,
      ...(changes === undefined ? {} : { changes }),
      ...(needs.draw ? { draw: { temperature, random: uniform(seed, index) } } : {}),
    };
  }

  function choose(summary: LogitSummary, index: number): number | undefined {
    if (temperature <= 0) return summary.ids[0]!;
    if (needs.draw) return summary.drawn;
    if (needs.k === 0) return undefined;
    const scratch = scratchFor(vocabSize);
    const kept = narrowSummary(summary, params, vocabSize, scratch);
    return kept < 0 ? undefined : drawFrom(kept, temperature, uniform(seed, index), scratch);
  }

  function pick(logits: Float32Array, index: number, mass?: number): number {
    if (logits.length !== vocabSize) {
      throw new RangeError(`Cannot sample from ${logits.length} logits: expected ${vocabSize}`);
    }
    if (temperature <= 0) return argmax(logits);
    const scratch = scratchFor(vocabSize);
    const kept = narrow(logits, params, scratch, mass);
    const random = uniform(seed, index);
    if (kept < 0) return drawLogit(logits, maximum(logits), { temperature, random });
    return drawFrom(kept, temperature, random, scratch);
  }

  return {
    ask,
    choose,
    chooseFromRow: (logits, summary, index) =>
      pick(logits, index, needs.mass ? summary.mass : undefined),
    sample(logits, tokens, index) {
      const changes = changer(tokens, scratchFor(vocabSize));
      if (changes !== undefined) changeLogits(logits, changes);
      return pick(logits, index);
    },
  };
}

interface Needs {
  /** Candidates; none where only the whole row will do. */
  readonly k: number;
  readonly mass: boolean;
  /** Nothing is cut off, so that the backend can draw. */
  readonly draw: boolean;
}

function needsOf(params: SamplingParams, vocabSize: number): Needs {
  const { temperature, typicalP, topP, minP } = params;
  const topK = params.topK > 0 ? Math.min(params.topK, vocabSize) : vocabSize;
  const none = { k: 0, mass: false, draw: false };
  if (temperature <= 0) return { ...none, k: 1 };
  if (topK <= MAX_CANDIDATES) return { ...none, k: topK };
  if (topK < vocabSize || typicalP < 1) return none;
  if (topP < 1) return { ...none, k: Math.min(MAX_CANDIDATES, vocabSize), mass: true };
  if (minP > 0) return { ...none, k: Math.min(MIN_P_CANDIDATES, vocabSize) };
  return { ...none, draw: true };
}

/**
 * Draw one of the candidates. They are gone through by ascending id, so that a draw depends on which
 * they are and how likely, not on how they were found.
 */
function drawFrom(
  count: number,
  temperature: number,
  random: number,
  { keys, ids, logits, weights }: Scratch,
): number {
  const max = logits[0]!;
  for (let i = 0; i < count; i++) keys[i] = ids[i]! * MAX_VOCAB + i;
  keys.subarray(0, count).sort();
  let mass = 0;
  for (let i = 0; i < count; i++) {
    const weight = weightOf(logits[idOf(keys[i]!)]!, max, temperature);
    weights[i] = weight;
    mass += weight;
  }
  return Math.floor(keys[walk(weights, count, random * mass)]! / MAX_VOCAB);
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
