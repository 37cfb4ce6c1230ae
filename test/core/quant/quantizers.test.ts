import { readFileSync } from "node:fs";
import { assert, double, float32Array, property, constantFrom } from "fast-check";
import { describe, expect, test } from "vitest";
import { dequantize } from "../../../core/quant/dequantize.ts";
import { quantizeTo, TARGET_TYPES } from "../../../core/quant/quantize.ts";
import { byteLength, WEIGHT_TYPES, type WeightType } from "../../../core/tensor/dtype.ts";
import { createRandom } from "../../fixtures/random.ts";
import { shared } from "../../fixtures/shared.ts";

const index = shared("data/quant-vectors/index.json");
const BLOCKS = TARGET_TYPES.filter((type) => WEIGHT_TYPES[type].values > 1);

function back(type: WeightType, values: Float32Array): Float32Array {
  const bytes = quantizeTo(type, values);
  expect(bytes).toHaveLength(byteLength(type, values.length));
  const out = new Float32Array(values.length);
  dequantize(type, bytes, out);
  return out;
}

function rmse(one: Float32Array, other: Float32Array): number {
  return Math.sqrt(one.reduce((sum, value, i) => sum + (value - other[i]!) ** 2, 0) / one.length);
}

describe.skipIf(index === undefined)(
  "quantizeTo on real weights (skipped: ../shared/data not present)",
  () => {
    test.each(BLOCKS)("quantizeTo loses no more as %s than GGML does", (type) => {
      const { types } = JSON.parse(readFileSync(index!, "utf8")) as {
        readonly types: Readonly<Record<string, { readonly rmse_real: number }>>;
      };
      const file = new Uint8Array(readFileSync(shared("data/quant-vectors/input.f32.bin")!));
      const input = new Float32Array(file.buffer);
      const theirs = types[type.replace(/_k$/, "_K")]!.rmse_real;
      expect(rmse(input, back(type, input))).toBeLessThanOrEqual(theirs);
    });
  },
);

describe.for(BLOCKS)("quantizeTo %s", (type) => {
  const { values: block } = WEIGHT_TYPES[type];

  test("takes zeros, constants, one value among zeros, and what is far too large", () => {
    const one = new Float32Array(block);
    expect(back(type, one).every((value) => value === 0)).toBe(true);
    for (const value of [1, -1, 1e-3, 3e4, -3e4]) {
      const constant = new Float32Array(block).fill(value);
      expect(rmse(constant, back(type, constant)) / Math.abs(value)).toBeLessThan(0.2);
      one.fill(0)[block - 1] = value;
      const found = back(type, one)[block - 1]!;
      expect(Math.abs(found / value - 1)).toBeLessThan(0.25);
    }
    expect(back(type, new Float32Array(block).fill(3e38)).every(Number.isFinite)).toBe(true);
  });

  test("loses less of normal values than rounding to the largest of a block would", () => {
    const values = createRandom(5).normals(32 * block);
    const { bytes } = WEIGHT_TYPES[type];
    // Steps over the range of some 32 normal values, and half a bit for scales.
    const bits = (8 * bytes) / block - 0.5;
    expect(rmse(values, back(type, values))).toBeLessThan((6 / 2 ** bits) * 0.4);
  });

  test("gives finite values for any finite ones, and the same bytes twice", () => {
    const any = double({ noNaN: true, noDefaultInfinity: true, min: -1e5, max: 1e5 });
    const values = float32Array({
      minLength: block,
      maxLength: block,
      noNaN: true,
      noDefaultInfinity: true,
    });
    assert(
      property(values, any, constantFrom(1, 1e-20, 1e-3), (array, extreme, scale) => {
        const input = array.map((value) => Math.max(-6e4, Math.min(6e4, value)) * scale);
        input[0] = extreme;
        expect(back(type, input).every(Number.isFinite)).toBe(true);
        expect(quantizeTo(type, input)).toEqual(quantizeTo(type, input));
      }),
      { numRuns: 30 },
    );
  });
});

test("quantizeTo stores f16, bf16 and f32 as files hold them, to the nearest", () => {
  const values = Float32Array.of(1, -2.5, 1.00390625, 1.01171875);
  expect([...back("f32", values)]).toEqual([...values]);
  expect([...back("f16", values)]).toEqual([...values]);
  // Halfway between two of bfloat16's numbers: to the even one.
  expect([...back("bf16", values)]).toEqual([1, -2.5, 1, 1.015625]);
});

test("quantizeTo refuses what is no whole number of blocks", () => {
  expect(() => quantizeTo("q4_k", new Float32Array(32))).toThrow(RangeError);
});
