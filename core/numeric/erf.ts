import { exp } from "./exp.ts";

/** Below it the series is used, from it on the continued fraction: either has converged there by then. */
const SERIES_BELOW = 2.5;
/** Terms of the series: at 2.5 the next one is below 2^-60 of the sum. */
const TERMS = 60;
/** Levels of the continued fraction: at 2.5 it has all bits of a double. */
const LEVELS = 60;
/** From here on erf is 1 in a double. */
const ONE_FROM = 6;

/**
 * The error function 2 / √π ∫₀ˣ e^(-t²) dt, the same bits in every engine; error below 1e-15. NaN for NaN.
 *
 * A series of positive terms near zero, beyond it 1 - erfc by Laplace's continued fraction (Abramowitz and
 * Stegun, 7.1.6 and 7.1.14).
 */
export function erf(x: number): number {
  const size = Math.abs(x);
  if (size >= ONE_FROM) return Math.sign(x);
  const value = size < SERIES_BELOW ? bySeries(size) : 1 - byFraction(size);
  return Math.sign(x) * value;
}

function bySeries(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 1; n <= TERMS; n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * exp(-x * x) * sum;
}

/** erfc for large x. */
function byFraction(x: number): number {
  let tail = x;
  for (let n = LEVELS; n >= 1; n--) tail = x + n / 2 / tail;
  return exp(-x * x) / (Math.sqrt(Math.PI) * tail);
}
