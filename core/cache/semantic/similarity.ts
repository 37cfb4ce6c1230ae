/** Cosine from which on two questions are near enough for one answer, where the content gate agrees. */
export const NEAR = 0.97;

/** Cosine of the angle between two vectors of length 1; of different widths, which two embedders make: 0. */
export function similarity(one: Float32Array, other: Float32Array): number {
  if (one.length !== other.length) return 0;
  // Four sums that do not wait for one another: a look-up reads thousands of vectors.
  let [a, b, c, d] = [0, 0, 0, 0];
  const even = one.length - (one.length % 4);
  for (let i = 0; i < even; i += 4) {
    a += one[i]! * other[i]!;
    b += one[i + 1]! * other[i + 1]!;
    c += one[i + 2]! * other[i + 2]!;
    d += one[i + 3]! * other[i + 3]!;
  }
  for (let i = even; i < one.length; i++) a += one[i]! * other[i]!;
  return a + b + (c + d);
}
