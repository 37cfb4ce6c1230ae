import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { dequantize } from "../../../core/quant/dequantize.ts";
import { WEIGHT_TYPES } from "../../../core/tensor/dtype.ts";
import type { WeightType } from "../../../core/tensor/dtype.ts";
import { quantizeQ8 } from "../../fixtures/gguf-writer.ts";
import { shared } from "../../fixtures/shared.ts";

const vectors = shared("data/quant-vectors/index.json");

interface VectorIndex {
  readonly types: Readonly<
    Record<
      string,
      {
        readonly ggml_type: number;
        readonly block_values: number;
        readonly block_bytes: number;
        readonly rmse_real: number;
      }
    >
  >;
}

const QUANTISED: readonly WeightType[] = [
  "q4_0",
  "q4_1",
  "q5_0",
  "q5_1",
  "q8_0",
  "q2_k",
  "q3_k",
  "q4_k",
  "q5_k",
  "q6_k",
];

/** Little-endian 16-bit words. */
function words(...values: number[]): Uint8Array {
  return new Uint8Array(Uint16Array.from(values).buffer);
}

function file(name: string): Uint8Array {
  return new Uint8Array(readFileSync(shared(`data/quant-vectors/${name}`)!));
}

function floats(name: string): Float32Array {
  return new Float32Array(file(name).buffer);
}

describe.skipIf(vectors === undefined)(
  "dequantize on GGML's own blocks (skipped: ../shared/data not present)",
  () => {
    test.each(QUANTISED)("dequantize gives %s bit for bit", (type) => {
      // The files are named as GGML spells its types: q4_0, but q4_K.
      const name = type.replace("k", "K");
      const index = JSON.parse(readFileSync(vectors!, "utf8")) as VectorIndex;
      const facts = index.types[name]!;
      expect(WEIGHT_TYPES[type]).toEqual({
        id: facts.ggml_type,
        values: facts.block_values,
        bytes: facts.block_bytes,
      });

      const expected = floats(`${name}.f32.bin`);
      const got = new Float32Array(expected.length);
      dequantize(type, file(`${name}.blocks.bin`), got);
      const differing = got.findIndex((value, i) => !Object.is(value, expected[i]));
      expect({ at: differing, value: got[differing] }).toEqual({
        at: -1,
        value: undefined,
      });

      // The first blocks came from real weights: the error against them is that of the C library.
      const input = floats("input.f32.bin");
      const square = input.reduce((sum, value, i) => sum + (value - got[i]!) ** 2, 0);
      expect(Math.sqrt(square / input.length)).toBeCloseTo(facts.rmse_real, 7);
    });
  },
);

test("dequantize reads f32, f16 and bf16", () => {
  const out = new Float32Array(2);
  // A view that begins at an odd byte: no alignment may be assumed.
  const f32 = new Uint8Array(9);
  new DataView(f32.buffer).setFloat32(1, -0.1, true);
  new DataView(f32.buffer).setFloat32(5, 3e38, true);
  dequantize("f32", f32.subarray(1), out);
  expect([...out]).toEqual([Math.fround(-0.1), Math.fround(3e38)]);
  dequantize("f16", words(0x3c00, 0xc100), out);
  expect([...out]).toEqual([1, -2.5]);
  dequantize("bf16", words(0x3f80, 0xc020), out);
  expect([...out]).toEqual([1, -2.5]);
});

test("dequantize undoes what the fixtures' q8_0 writer did, to half a step", () => {
  const values = Float32Array.from({ length: 64 }, (_, i) => Math.sin(i) * 3);
  const out = new Float32Array(64);
  dequantize("q8_0", quantizeQ8(values), out);
  // Half a step for the rounded quant, and binary16's relative error for the scale.
  for (const [i, value] of values.entries()) {
    expect(Math.abs(out[i]! - value)).toBeLessThanOrEqual((3 / 127) * 0.5 + 3 * 2 ** -11);
  }
});

test("dequantize refuses lengths that do not fit the type", () => {
  expect(() => dequantize("q4_0", new Uint8Array(18), new Float32Array(31))).toThrow(RangeError);
  expect(() => dequantize("q4_0", new Uint8Array(17), new Float32Array(32))).toThrow(/takes 18/);
  expect(() => dequantize("f16", new Uint8Array(3), new Float32Array(1))).toThrow(RangeError);
});
