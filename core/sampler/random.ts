const MULTIPLIER = 0xd256d193;
const WEYL = 0x9e3779b9;
const ROUNDS = 10;

/**
 * A number in [0, 1) with 53 random bits that depends on `seed` and `index` alone: Philox2x32-10
 * (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"). Because it counts instead of
 * carrying a state, the n-th draw of a request is the same whatever else ran and was run again.
 */
export function uniform(seed: number, index: number): number {
  let left = index >>> 0;
  let right = 0;
  let key = seed >>> 0;
  for (let round = 0; round < ROUNDS; round++) {
    const low = Math.imul(left, MULTIPLIER) >>> 0;
    left = (multiplyHigh(left, MULTIPLIER) ^ key ^ right) >>> 0;
    right = low;
    key = (key + WEYL) >>> 0;
  }
  return ((left >>> 5) * 67108864 + (right >>> 6)) / 9007199254740992;
}

/** Upper 32 bits of the product of two unsigned 32-bit integers. */
function multiplyHigh(a: number, b: number): number {
  const a0 = a & 0xffff;
  const a1 = a >>> 16;
  const b0 = b & 0xffff;
  const b1 = b >>> 16;
  const middle = a1 * b0 + Math.floor((a0 * b0) / 65536);
  const carry = a0 * b1 + (middle % 65536);
  return a1 * b1 + Math.floor(middle / 65536) + Math.floor(carry / 65536);
}
