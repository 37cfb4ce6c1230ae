import { LN2_HIGH, LN2_LOW, exponentOf, productError, scale, sumError } from "./double.ts";
import { expSum } from "./exp.ts";

const { SQRT2 } = Math;

/** What the last call of {@linkcode logHigh} left over: ln x = logHigh(x) + logLow. */
let logLow = 0;

/** Natural logarithm, the same bits in every engine; error below 1 ulp. */
export function log(x: number): number {
  if (!(x > 0)) return x === 0 ? -Infinity : NaN;
  if (x === Infinity) return Infinity;
  return logHigh(x);
}

/**
 * x^y for x ≥ 0 (NaN for negative x), the same bits in every engine; error below 1 ulp while
 * |y·ln x| ≤ 40, below 8 ulp everywhere that the result is a normal number.
 */
export function pow(x: number, y: number): number {
  if (y === 0 || x === 1) return 1;
  if (!(x >= 0) || Number.isNaN(y)) return NaN;
  if (x === 0 || x === Infinity) return (x === 0) === y > 0 ? 0 : Infinity;
  if (!Number.isFinite(y)) return x > 1 === y > 0 ? Infinity : 0;
  const high = logHigh(x);
  const low = logLow;
  const product = high * y;
  // Far outside what a result can be, where the exact error would overflow.
  if (!(Math.abs(product) < 1000)) return product > 0 ? Infinity : 0;
  // A vanishing exponent: x^y is 1 to the last bit, and the exact product would be subnormal.
  if (Math.abs(product) < 1e-30) return 1;
  const error = (Math.abs(y) < 1e250 ? productError(high, y) : 0) + low * y;
  const sum = product + error;
  return expSum(sum, sumError(product, error));
}

/**
 * ln x of a finite x > 0 to about 2^-60, in two parts. x = 2^e·m with √½ ≤ m < √2, and with
 * s = (m - 1) / (m + 1): ln m = 2·(s + s³/3 + s⁵/5 + …), |s| ≤ 0.172. Only 2s is needed beyond
 * binary64: the rest of the series is 1 % of it.
 */
function logHigh(x: number): number {
  let e = exponentOf(x);
  let m = scale(x, -e);
  if (m >= SQRT2) {
    m /= 2;
    e += 1;
  }
  const f = m - 1; // exact
  const divisor = f + 2;
  const s = f / divisor;
  const rest = f - s * divisor - productError(s, divisor);
  const sLow = (rest - s * sumError(f, 2)) / divisor;

  const z = s * s;
  let series = 1 / 23;
  for (let n = 21; n >= 3; n -= 2) series = series * z + 1 / n;
  // 2·s³·series, and the first order of what s lacks.
  const tail = 2 * (s * z * series + sLow) + e * LN2_LOW;

  const head = e * LN2_HIGH; // exact
  const sum = head + 2 * s;
  const low = sumError(head, 2 * s) + tail;
  const high = sum + low;
  logLow = sumError(sum, low);
  return high;
}
