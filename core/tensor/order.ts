/**
 * The one order of tokens: higher logit first, then lower id; NaN counts as -Infinity. A token's
 * place is packed into one double, so that typed arrays sort natively and every engine agrees.
 */

/** A key has 53 bits: 32 for the logit, 21 for the id. */
export const MAX_VOCAB = 2_097_152;

const value = new Float32Array(1);
const bits = new Uint32Array(value.buffer);

/** Sort key of a token: ascending keys are tokens in order. */
export function keyOf(logit: number, id: number): number {
  // Adding 0 turns -0 into 0, which is no less.
  value[0] = Number.isNaN(logit) ? -Infinity : logit + 0;
  const raw = bits[0]!;
  return (raw >= 0x80000000 ? raw : 0x7fffffff - raw) * MAX_VOCAB + id;
}

/** The token of a key. */
export function idOf(key: number): number {
  return key - Math.floor(key / MAX_VOCAB) * MAX_VOCAB;
}

/** The first token in order: the likeliest, the lowest id on a tie. */
export function argmax(logits: Float32Array): number {
  let best = 0;
  let most = -Infinity;
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id]!;
    if (logit > most) {
      most = logit;
      best = id;
    }
  }
  return best;
}

/** The largest logit, or -Infinity where there is no number. */
export function maximum(logits: Float32Array): number {
  let most = -Infinity;
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id]!;
    if (logit > most) most = logit;
  }
  return most;
}

/** Appended keys between two sorts: few sorts for a small k, and each of them small. */
const SLACK = 256;

/**
 * Write the first `k` tokens in order to `ids`, and return how many they are. Instead of sorting the
 * vocabulary it collects what may still be among the k best, and sorts and cuts that when it is full.
 * `keys` and `ids` have room for the vocabulary.
 */
export function selectTop(
  logits: Float32Array,
  k: number,
  keys: Float64Array,
  ids: Uint32Array,
): number {
  const room = Math.min(keys.length, k + Math.max(k, SLACK));
  let count = 0;
  // Ids ascend, so a later token that only equals the k-th comes after it.
  let threshold = -Infinity;
  let full = false;
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id]!;
    if (full && !(logit > threshold)) continue;
    if (count === room) {
      keys.subarray(0, count).sort();
      count = k;
      full = true;
      threshold = logits[idOf(keys[k - 1]!)]!;
      if (Number.isNaN(threshold)) threshold = -Infinity;
      if (!(logit > threshold)) continue;
    }
    keys[count++] = keyOf(logit, id);
  }
  return sorted(keys, Math.min(k, logits.length), count, ids);
}

/** Sort `count` keys and write the tokens of the first `keep` to `ids`; returns `keep`. */
export function sorted(keys: Float64Array, keep: number, count: number, ids: Uint32Array): number {
  keys.subarray(0, count).sort();
  for (let i = 0; i < keep; i++) ids[i] = idOf(keys[i]!);
  return keep;
}
