import { describe, expect, test } from "vitest";
import { dequantize } from "../../../core/quant/dequantize.ts";
import { prepareMoments, quantizeWithFeedback } from "../../../core/quant/error-feedback.ts";
import type { GridType } from "../../../core/quant/grid.ts";
import { quantize } from "../../../core/quant/quantize-legacy.ts";
import { createRandom } from "../../fixtures/random.ts";

const TYPES: readonly GridType[] = ["q4_0", "q4_1", "q5_0", "q5_1", "q8_0"];
/** The error of normal values that GGML's rounding gives, relative: what the search has to beat. */
const PLAIN: Readonly<Record<GridType, number>> = {
  q4_0: 0.093,
  q4_1: 0.086,
  q5_0: 0.046,
  q5_1: 0.042,
  q8_0: 0.0059,
};

const random = createRandom(21);

function read(type: GridType, bytes: Uint8Array, count: number): Float32Array {
  const out = new Float32Array(count);
  dequantize(type, bytes, out);
  return out;
}

function squares(values: ArrayLike<number>): number {
  return Array.from(values).reduce((sum, value) => sum + value * value, 0);
}

describe.for(TYPES)("quantising as %s", (type) => {
  test("loses no more of normal values than rounding to the largest does", () => {
    const values = random.normals(64 * 32);
    const back = read(type, quantize(type, values), values.length);
    const error = Math.sqrt(squares(values.map((v, i) => v - back[i]!)) / squares(values));
    expect(error).toBeLessThan(PLAIN[type]);
    expect(error).toBeGreaterThan(PLAIN[type] / 2);
  });

  test("keeps every value of a grid of its own", () => {
    const bytes = quantize(type, random.normals(32 * 32));
    const values = read(type, bytes, 32 * 32);
    const again = read(type, quantize(type, values), values.length);
    const off = Math.max(...values.map((v, i) => Math.abs(v - again[i]!)));
    // A step of q8_0 is some 0.03: at most the scale's rounding differs.
    expect(off).toBeLessThan(5e-3);
  });

  test("takes zeros, constants, extremes, and no values at all", () => {
    expect(quantize(type, new Float32Array(0))).toHaveLength(0);
    for (const value of [0, 1, -1, 1e-30, 3e4]) {
      const values = new Float32Array(32).fill(value);
      const back = read(type, quantize(type, values), 32);
      // Half of the smallest binary16 number: below it a scale rounds to nothing.
      const most = Math.max(Math.abs(value) / 99, 2 ** -25);
      for (const one of back) expect(Math.abs(one - value)).toBeLessThanOrEqual(most);
    }
    const large = new Float32Array(32).fill(3e38);
    expect(read(type, quantize(type, large), 32).every(Number.isFinite)).toBe(true);
  });

  test("loses less where it matters", () => {
    const values = random.normals(128 * 32);
    const importance = Float32Array.from({ length: 32 }, (_, i) => (i === 5 ? 1000 : 1));
    const [plain, weighed] = [quantize(type, values), quantize(type, values, importance)].map(
      (bytes) => read(type, bytes, values.length),
    );
    const lost = (back: Float32Array): number =>
      squares(values.map((v, i) => (i % 32 === 5 ? v - back[i]! : 0)));
    expect(lost(weighed!)).toBeLessThan(lost(plain!));
  });

  test("refuses parts of blocks and what is no number", () => {
    expect(() => quantize(type, new Float32Array(33))).toThrow(RangeError);
    expect(() => quantize(type, new Float32Array(32), new Float32Array(31))).toThrow(RangeError);
    expect(() => quantize(type, new Float32Array(64), new Float32Array(96))).toThrow(RangeError);
    for (const bad of [NaN, Infinity]) {
      expect(() => quantize(type, new Float32Array(32).fill(bad))).toThrow(RangeError);
    }
  });

  test("handing errors on changes nothing where inputs have nothing in common", () => {
    const values = random.normals(5 * 64);
    const moments = new Float32Array(64 * 64);
    for (let i = 0; i < 64; i++) moments[i * 65] = 4;
    const prepared = prepareMoments(moments, 64, 0);
    expect(quantizeWithFeedback(type, values, prepared)).toEqual(quantize(type, values));
  });

  test("handing errors on changes products less where inputs go together", () => {
    const [inputs, columns, rows] = [300, 96, 12];
    // Few directions carry most of the inputs.
    const basis = random.normals(4 * columns);
    const x = random.normals(inputs * columns).map((v) => v * 0.3);
    for (let t = 0; t < inputs; t++) {
      for (let d = 0; d < 4; d++) {
        const [size] = random.normals(1);
        for (let c = 0; c < columns; c++) x[t * columns + c]! += size! * basis[d * columns + c]!;
      }
    }
    const moments = new Float32Array(columns * columns);
    for (let t = 0; t < inputs; t++) {
      for (let i = 0; i < columns; i++) {
        for (let j = 0; j < columns; j++) {
          moments[i * columns + j]! += x[t * columns + i]! * x[t * columns + j]!;
        }
      }
    }
    const values = random.normals(rows * columns);
    const changed = (bytes: Uint8Array): number => {
      const off = read(type, bytes, values.length).map((v, i) => v - values[i]!);
      let sum = 0;
      for (let t = 0; t < inputs; t++) {
        for (let r = 0; r < rows; r++) {
          let product = 0;
          for (let c = 0; c < columns; c++) product += off[r * columns + c]! * x[t * columns + c]!;
          sum += product * product;
        }
      }
      return sum;
    };
    const fed = quantizeWithFeedback(type, values, prepareMoments(moments, columns, 0.01));
    expect(changed(fed)).toBeLessThan(changed(quantize(type, values)) / 2);
  });
});

test("moments that leave a column without freedom need damping", () => {
  const moments = new Float32Array(32 * 32).fill(1);
  expect(() => prepareMoments(moments, 32, 0)).toThrow(RangeError);
  expect(prepareMoments(moments, 32, 0.01).cost.every((cost) => cost > 0)).toBe(true);
  expect(() => prepareMoments(moments, 31, 0)).toThrow(RangeError);
  const prepared = prepareMoments(moments, 32, 0.01);
  expect(() => quantizeWithFeedback("q4_0", new Float32Array(33), prepared)).toThrow(RangeError);
});
