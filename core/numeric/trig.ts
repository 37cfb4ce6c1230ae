import { sumError } from "./double.ts";

/** Largest angle, in radians: a million positions and then some. Beyond it the reduction is not exact. */
export const MAX_ANGLE = 8_388_608;

const TWO_OVER_PI = 0.6366197723675814;
// π/2 in three parts of 30 bits and a rest: a multiple n < 2^23 of each part is exact.
const HALF_PI_1 = 1.570796325802803;
const HALF_PI_2 = 9.920935791635221e-10;
const HALF_PI_3 = 5.17018297889025e-19;
const HALF_PI_4 = 2.9038559739793605e-28;

// (-1)^i / (2i + 1)!, correctly rounded while the factorial is exact.
const S1 = -1 / 6;
const S2 = 1 / 120;
const S3 = -1 / 5040;
const S4 = 1 / 362880;
const S5 = -1 / 39916800;
const S6 = 1 / 6227020800;
const S7 = -1 / 1307674368000;
const S8 = 1 / 355687428096000;

// (-1)^i / (2i)!
const C2 = 1 / 24;
const C3 = -1 / 720;
const C4 = 1 / 40320;
const C5 = -1 / 3628800;
const C6 = 1 / 479001600;
const C7 = -1 / 87178291200;
const C8 = 1 / 20922789888000;

/** An angle less its multiple of π/2, in two parts, and that multiple modulo 4. */
let quadrant = 0;
let high = 0;
let low = 0;

/**
 * Sine, the same bits in every engine; absolute error below 2^-52.
 * Throws `RangeError` where |x| > {@linkcode MAX_ANGLE}.
 */
export function sin(x: number): number {
  reduce(x);
  const y = quadrant % 2 === 0 ? sinKernel(high, low) : cosKernel(high, low);
  return quadrant < 2 ? y : -y;
}

/** Cosine; as {@linkcode sin}. */
export function cos(x: number): number {
  reduce(x);
  const y = quadrant % 2 === 0 ? cosKernel(high, low) : sinKernel(high, low);
  return quadrant === 0 || quadrant === 3 ? y : -y;
}

function reduce(x: number): void {
  if (!(Math.abs(x) <= MAX_ANGLE)) {
    throw new RangeError(`Cannot reduce the angle ${x}: only |x| ≤ ${MAX_ANGLE} is exact`);
  }
  const n = Math.floor(x * TWO_OVER_PI + 0.5);
  const a = x - n * HALF_PI_1;
  const b = -n * HALF_PI_2;
  const c = a + b;
  const d = sumError(a, b) - n * HALF_PI_3 - n * HALF_PI_4;
  high = c + d;
  low = sumError(c, d);
  quadrant = ((n % 4) + 4) % 4;
}

/** sin(x + y), |x| ≤ π/4, |y| ≤ ulp(x). */
function sinKernel(x: number, y: number): number {
  const z = x * x;
  const series = S1 + z * (S2 + z * (S3 + z * (S4 + z * (S5 + z * (S6 + z * (S7 + z * S8))))));
  return x + (x * z * series + y * (1 - 0.5 * z));
}

/** cos(x + y), |x| ≤ π/4, |y| ≤ ulp(x). */
function cosKernel(x: number, y: number): number {
  const z = x * x;
  const half = 0.5 * z;
  const series = C2 + z * (C3 + z * (C4 + z * (C5 + z * (C6 + z * (C7 + z * C8)))));
  const one = 1 - half;
  // What the subtraction rounded away goes back in with the small terms.
  return one + (1 - one - half + (z * z * series - x * y));
}
