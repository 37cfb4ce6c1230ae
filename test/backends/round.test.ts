import { expect, test } from "vitest";
import { roundHeads } from "../../backends/reference/round.ts";
import { createRandom } from "../fixtures/random.ts";

const HEAD = 44;

test("a cache of f32 keeps every bit", () => {
  const values = createRandom(1).normals(2 * HEAD);
  const rounded = values.slice();
  roundHeads("f32", rounded, HEAD);
  expect(rounded).toEqual(values);
});

test("a cache of f16 rounds each number as the language's own half does", () => {
  const values = createRandom(2).normals(2 * HEAD);
  const rounded = values.slice();
  roundHeads("f16", rounded, HEAD);
  expect(rounded).toEqual(Float32Array.from(new Float16Array(values)));
});

test("a cache of q8_0 rounds to 127 steps up to the largest of 32, each head for itself", () => {
  const values = createRandom(3).normals(2 * HEAD);
  const rounded = values.slice();
  roundHeads("q8_0", rounded, HEAD);
  for (const [from, to] of [
    [0, 32],
    [32, 44],
    [44, 76],
    [76, 88],
  ] as const) {
    const most = Math.max(...values.subarray(from, to).map(Math.abs));
    for (let i = from; i < to; i++) {
      // Half a step, and of 127 steps the rounding of the scale to eleven bits.
      const allowed = most / 127 / 2 + most * 2 ** -11;
      expect(Math.abs(rounded[i]! - values[i]!)).toBeLessThanOrEqual(allowed);
    }
    const steps = new Set(rounded.subarray(from, to).map((value) => (value / most) * 127));
    for (const step of steps) expect(step).toBeCloseTo(Math.round(step), 0);
  }
});
