/**
 * Exact pieces of binary64 arithmetic. IEEE 754 fixes + - * / and sqrt to the last bit, so what is
 * made of them alone gives the same bits in every JavaScript engine; `Math.exp` and its kin do not.
 */

/** ln 2 = LN2_HIGH + LN2_LOW; the high part has 42 bits, so its product with an exponent is exact. */
export const LN2_HIGH = 0.6931471805598903;
/** What {@linkcode LN2_HIGH} leaves of ln 2. */
export const LN2_LOW = 5.497923018708371e-14;

/** Exponent of the smallest subnormal number. */
const MIN_EXPONENT = -1074;
const MAX_EXPONENT = 1023;

const POWERS: Float64Array = powersOfTwo();

function powersOfTwo(): Float64Array {
  const powers = new Float64Array(MAX_EXPONENT - MIN_EXPONENT + 1);
  powers[-MIN_EXPONENT] = 1;
  for (let i = -MIN_EXPONENT + 1; i < powers.length; i++) powers[i] = powers[i - 1]! * 2;
  for (let i = -MIN_EXPONENT - 1; i >= 0; i--) powers[i] = powers[i + 1]! / 2;
  return powers;
}

/** x · 2^k for |k| ≤ 2000; rounds once where ½ ≤ |x| < 2, and not at all where the result is normal. */
export function scale(x: number, k: number): number {
  if (k >= MIN_EXPONENT && k <= MAX_EXPONENT) return x * POWERS[k - MIN_EXPONENT]!;
  // 2^1024 and 2^-1075 are no numbers, so in two factors.
  const first = k < 0 ? -1000 : 1000;
  return x * POWERS[first - MIN_EXPONENT]! * POWERS[k - first - MIN_EXPONENT]!;
}

const bits = new Float64Array(1);
const words = new Uint32Array(bits.buffer);
/** Index of the word that holds sign and exponent. */
const HIGH_WORD = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1 ? 1 : 0;

/** floor(log2 x) of a finite positive x, subnormal ones included. */
export function exponentOf(x: number): number {
  const subnormal = x < 2.2250738585072014e-308;
  // Multiplying by 2^54 makes any subnormal number normal, exactly.
  bits[0] = subnormal ? x * 18014398509481984 : x;
  const biased = (words[HIGH_WORD]! >>> 20) & 0x7ff;
  return biased - (subnormal ? 1023 + 54 : 1023);
}

/** 2^27 + 1 splits a number into two halves of 26 bits (Veltkamp). */
const SPLITTER = 134217729;

/** The rounding error of `a * b`, exactly (Dekker 1971); |a|, |b| < 2^990 and the product normal. */
export function productError(a: number, b: number): number {
  const p = a * b;
  const ca = SPLITTER * a;
  const ah = ca - (ca - a);
  const al = a - ah;
  const cb = SPLITTER * b;
  const bh = cb - (cb - b);
  const bl = b - bh;
  return al * bl - (p - ah * bh - al * bh - ah * bl);
}

/** The rounding error of `a + b`, exactly (Knuth). */
export function sumError(a: number, b: number): number {
  const s = a + b;
  const bb = s - a;
  return a - (s - bb) + (b - bb);
}
