/**
 * Scales that lose least: integers are chosen by a trial scale, and the best scale for these integers follows by least
 * squares. The trials go around the scale that just reaches the largest value, as GGML's do.
 */

/** Trials on each side of the scale that reaches the largest value, and how far apart, in integers. */
const TRIALS = 9;
const STEP = 0.1;

/** Rounds at the end in which integers and scale follow one another. */
const ROUNDS = 2;

/**
 * The scale by which `values`[from, to) are nearest to integers from `least`, which is negative, to `most`; zero for
 * zeros. It may be negative: the largest value goes to `least`, which never reaches less far.
 */
export function fitScale(
  values: ArrayLike<number>,
  from: number,
  to: number,
  least: number,
  most: number,
): number {
  let largest = 0;
  for (let i = from; i < to; i++) {
    if (Math.abs(values[i]!) > Math.abs(largest)) largest = values[i]!;
  }
  if (largest === 0) return 0;
  let best = largest / least;
  let bestGain = -1;
  const consider = (scale: number): number => {
    const inverse = 1 / scale;
    let product = 0;
    let square = 0;
    for (let i = from; i < to; i++) {
      const value = values[i]!;
      let q = Math.floor(value * inverse + 0.5);
      if (q < least) q = least;
      else if (q > most) q = most;
      product += q * value;
      square += q * q;
    }
    // What is left of the squares is their sum less this.
    const gain = square > 0 ? (product * product) / square : 0;
    const fitted = square > 0 ? product / square : scale;
    if (gain > bestGain) {
      bestGain = gain;
      best = fitted;
    }
    return fitted;
  };
  for (let trial = -TRIALS; trial <= TRIALS; trial++) {
    consider(largest / (least - trial * STEP));
  }
  for (let round = 0; round < ROUNDS; round++) consider(best);
  return best;
}

/** A scale, and what an integer of zero stands for. */
export interface ScaleAndMinimum {
  readonly scale: number;
  readonly minimum: number;
}

/**
 * Scale and minimum by which `values`[from, to) are nearest to integers from 0 to `most`.
 *
 * @param limit The largest minimum that the type can hold.
 */
export function fitScaleAndMinimum(
  values: ArrayLike<number>,
  from: number,
  to: number,
  most: number,
  limit: number,
): ScaleAndMinimum {
  let low = limit;
  let high = -Infinity;
  let sum = 0;
  for (let i = from; i < to; i++) {
    const value = values[i]!;
    if (value < low) low = value;
    if (value > high) high = value;
    sum += value;
  }
  const count = to - from;
  if (!(high > low)) return { scale: 0, minimum: low };
  let bestScale = (high - low) / most;
  let bestMinimum = low;
  let bestError = Infinity;
  const consider = (scale: number, minimum: number): void => {
    const inverse = 1 / scale;
    let qs = 0;
    let square = 0;
    let product = 0;
    for (let i = from; i < to; i++) {
      const value = values[i]!;
      let q = Math.floor((value - minimum) * inverse + 0.5);
      if (q < 0) q = 0;
      else if (q > most) q = most;
      qs += q;
      square += q * q;
      product += q * value;
    }
    const determinant = count * square - qs * qs;
    if (!(determinant > 0)) return;
    let fitted = (count * product - qs * sum) / determinant;
    let base = (square * sum - qs * product) / determinant;
    if (base > limit) {
      base = limit;
      fitted = (product - base * qs) / square;
    }
    // Squares of errors, less those of the values.
    const error =
      fitted * (fitted * square - 2 * product + 2 * base * qs) + base * (count * base - 2 * sum);
    if (error < bestError && fitted > 0) {
      bestError = error;
      bestScale = fitted;
      bestMinimum = base;
    }
  };
  for (let trial = -TRIALS; trial <= TRIALS; trial++) {
    consider((high - low) / (most + trial * STEP), low);
  }
  for (let round = 0; round < ROUNDS; round++) consider(bestScale, bestMinimum);
  return { scale: bestScale, minimum: bestMinimum };
}
