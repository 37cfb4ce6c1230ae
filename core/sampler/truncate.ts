import { log } from "../numeric/log.ts";

/*
 * Steps that keep the likelier part of candidates. `ids`, likeliest first, `logits` and
 * `weights`, e^(logit - maximum), are parallel; each step returns how many are left, at least one.
 */

/** The shortest beginning whose weights add up to `goal`. */
export function keepTopP(weights: Float64Array, count: number, goal: number): number {
  let sum = 0;
  for (let i = 0; i < count; i++) {
    sum += weights[i]!;
    if (sum >= goal) return i + 1;
  }
  return count;
}

/** Those at least `minP` times as likely as the first. */
export function keepMinP(logits: Float32Array, count: number, minP: number): number {
  const floor = logits[0]! + log(minP);
  let kept = 1;
  while (kept < count && logits[kept]! >= floor) kept++;
  return kept;
}

/**
 * Those whose surprise -ln p is closest to the expected one, the entropy, until their probabilities
 * exceed `typicalP` (Meister et al. 2022). Surprise grows along the order, so they are one run of it:
 * it starts where the entropy lies and takes the closer neighbour each time, the likelier on a tie.
 */
export function keepTypical(
  ids: Uint32Array,
  logits: Float32Array,
  weights: Float64Array,
  count: number,
  mass: number,
  typicalP: number,
): number {
  const max = logits[0]!;
  const logMass = log(mass);
  const surprise = (place: number): number => {
    const logit = logits[place]!;
    const nats = logit === max ? logMass : max - logit + logMass;
    return Number.isNaN(nats) ? Infinity : nats;
  };

  let entropy = 0;
  for (let i = 0; i < count; i++) {
    if (weights[i]! > 0) entropy += (weights[i]! / mass) * surprise(i);
  }
  let end = 0;
  while (end < count && surprise(end) < entropy) end++;
  let start = end;
  let sum = 0;
  do {
    const likelier =
      start > 0 && (end === count || entropy - surprise(start - 1) <= surprise(end) - entropy);
    sum += weights[likelier ? --start : end++]!;
  } while (sum <= typicalP * mass && end - start < count);

  // Where the run starts amid equals, the lowest ids among them are meant.
  const edge = logits[start]!;
  let next = start;
  while (next < end && edge === logits[next]!) next++;
  let first = start;
  while (first > 0 && edge === logits[first - 1]!) first--;
  ids.copyWithin(0, first, first + (next - start));
  ids.copyWithin(next - start, next, end);
  logits.copyWithin(0, start, end);
  return end - start;
}
