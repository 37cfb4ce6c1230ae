/** Cosine from which on two questions are near enough for one answer, where the content gate agrees. */
export const NEAR = 0.97;

/** Cosine of the angle between two vectors of length 1; of different widths, which two embedders make: 0. */
export function similarity(one: Float32Array, other: Float32Array): number {
  if (one.length !== other.length) return 0;
  let sum = 0;
  for (let i = 0; i < one.length; i++) sum += one[i]! * other[i]!;
  return sum;
}
