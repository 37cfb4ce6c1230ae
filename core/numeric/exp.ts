import { LN2_HIGH, LN2_LOW, scale } from "./double.ts";

const { LOG2E } = Math;
/** Above it e^x is no finite number. */
const OVERFLOW = 709.782712893384;
/** Below it e^x rounds to 0. */
const UNDERFLOW = -745.1332191019412;

// 1 / n!, correctly rounded, as 13! is exact.
const C2 = 1 / 2;
const C3 = 1 / 6;
const C4 = 1 / 24;
const C5 = 1 / 120;
const C6 = 1 / 720;
const C7 = 1 / 5040;
const C8 = 1 / 40320;
const C9 = 1 / 362880;
const C10 = 1 / 3628800;
const C11 = 1 / 39916800;
const C12 = 1 / 479001600;
const C13 = 1 / 6227020800;

/** e^x, the same bits in every engine; error below 1 ulp. */
export function exp(x: number): number {
  return expSum(x, 0);
}

/**
 * e^(high + low), |low| ≤ ulp(high): as {@linkcode exp}, but for an exponent that one number cannot
 * hold. x = k·ln 2 + r with |r| ≤ ln 2 / 2, then Taylor's series to r^13, whose rest is below 2^-57.
 */
export function expSum(high: number, low: number): number {
  if (!(high <= OVERFLOW)) return high > OVERFLOW ? Infinity : NaN;
  if (high < UNDERFLOW) return 0;
  const k = Math.floor(high * LOG2E + 0.5);
  const a = high - k * LN2_HIGH; // exact
  const b = k * LN2_LOW - low;
  const r = a - b;
  const r2 = r * r;
  // Odd and even powers apart: two short chains of dependent operations instead of one long one.
  const even = C2 + r2 * (C4 + r2 * (C6 + r2 * (C8 + r2 * (C10 + r2 * C12))));
  const odd = C3 + r2 * (C5 + r2 * (C7 + r2 * (C9 + r2 * (C11 + r2 * C13))));
  const rest = r2 * (even + r * odd);
  const y = 1 + (a + (rest - b));
  return k === 0 ? y : scale(y, k);
}
