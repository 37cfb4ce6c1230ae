import { expect, test } from "vitest";
import { openGguf } from "../../core/gguf/parse.ts";
import { bytesSource } from "../../core/gguf/source.ts";
import { dequantize } from "../../core/quant/dequantize.ts";
import { byteLength, WEIGHT_TYPES, type WeightType } from "../../core/tensor/dtype.ts";
import { writeGguf } from "../fixtures/gguf-writer.ts";
import { createRandom } from "../fixtures/random.ts";
import { largestDifference } from "./accuracy/check-exact.ts";
import { exactWeights } from "./accuracy/exact-weights.ts";
import { compare, expectedPercent } from "./accuracy/paired.ts";
import { accuracyBlock } from "./accuracy/report.ts";

test.for(Object.keys(WEIGHT_TYPES) as WeightType[])(
  "exactWeights reads any part of %s as the values that it stands for",
  async (type) => {
    const random = createRandom(3);
    const [rows, columns] = [5, 2 * WEIGHT_TYPES[type].values];
    const data = Uint8Array.from({ length: byteLength(type, rows * columns) }, () =>
      random.int(0, 255),
    );
    const file = writeGguf({ tensors: [{ name: "w", shape: [rows, columns], type, data }] });
    const model = exactWeights(await openGguf(bytesSource(file)));
    const info = model.tensors.get("w")!;
    expect(info).toMatchObject({ type: "f32", byteLength: 4 * rows * columns });

    const values = new Float32Array(rows * columns);
    dequantize(type, data, values);
    const expected = new Uint8Array(values.buffer);
    for (let i = 0; i < 20; i++) {
      const offset = random.int(0, expected.length - 1);
      const part = new Uint8Array(random.int(1, expected.length - offset));
      await model.read(info, offset, part);
      expect(part, `${part.length} bytes from ${offset}`).toEqual(
        expected.subarray(offset, offset + part.length),
      );
    }
  },
);

test("compare finds a shift of every token, with no doubt", () => {
  const exact = Float64Array.of(-1, -2, -3);
  const { tokens, ppl, percent, margin, rms } = compare(
    exact,
    exact.map((value) => value - 0.01),
  );
  expect(tokens).toBe(3);
  expect(ppl).toBeCloseTo(Math.exp(2.01), 10);
  expect(percent).toBeCloseTo(100 * (Math.exp(0.01) - 1), 10);
  expect(margin).toBeCloseTo(0, 10);
  expect(rms).toBeCloseTo(0.01, 10);
});

test("compare holds what is true within its margin about 95 times of a hundred", () => {
  const random = createRandom(1);
  let held = 0;
  const runs = 400;
  for (let run = 0; run < runs; run++) {
    const exact = Float64Array.from(random.normals(200));
    const noise = random.normals(200);
    const { percent, margin } = compare(
      exact,
      exact.map((value, i) => value - 0.002 - 0.08 * noise[i]!),
    );
    if (Math.abs(percent - 100 * Math.expm1(0.002)) <= margin) held++;
  }
  expect(held / runs).toBeGreaterThan(0.92);
  expect(held / runs).toBeLessThan(0.98);
});

test("compare refuses what cannot be paired", () => {
  expect(() => compare(new Float64Array(3), new Float64Array(2))).toThrow(RangeError);
  expect(() => compare(new Float64Array(1), new Float64Array(1))).toThrow(RangeError);
});

test("expectedPercent is what noise without direction on logits costs", () => {
  const random = createRandom(2);
  const vocabulary = 20_000;
  const logits = Float64Array.from(random.normals(vocabulary));
  const noise = random.normals(vocabulary);
  const p = softmax(logits);
  const q = softmax(logits.map((logit, i) => logit + 0.08 * noise[i]!));
  const differences = p.map((value, i) => Math.log(value / q[i]!));
  const mean = differences.reduce((sum, value, i) => sum + p[i]! * value, 0);
  const square = differences.reduce((sum, value, i) => sum + p[i]! * value ** 2, 0);
  const increase = 100 * Math.expm1(mean);
  expect(Math.abs(expectedPercent(Math.sqrt(square)) / increase - 1)).toBeLessThan(0.1);
});

test("largestDifference counts a NaN and a missing row as infinitely wrong", () => {
  const expected = [Float32Array.of(1, -5), Float32Array.of(2, 3)];
  const found = [Float32Array.of(1.5, -5), Float32Array.of(2, 3)];
  expect(largestDifference(expected, found)).toEqual({ difference: 0.5, largest: 5 });
  found[0]![0] = Number.NaN;
  expect(largestDifference(expected, found).difference).toBe(Infinity);
  expect(largestDifference(expected, []).difference).toBe(Infinity);
});

test("accuracyBlock shows differences with their margins and signs", () => {
  const comparison = { tokens: 2040, ppl: 15.2, percent: -0.114, margin: 0.231, rms: 0.08 };
  const block = accuracyBlock({
    date: "2026-11-24T18:00:00Z",
    commit: "abc1234",
    command: "npm run bench:accuracy",
    node: "24.0.0",
    chunks: 8,
    chunkLength: 512,
    text: "a text",
    rows: [
      {
        kind: "Q8_0",
        mix: "q8_0 100 %",
        logitError: 1e-4,
        largestLogit: 40,
        exactPpl: 15.25,
        activations: comparison,
        cache: { f16: { ...comparison, percent: 0.02 } },
      },
    ],
  });
  expect(block).toContain("8 × 512 tokens of a text, 2040 judged");
  expect(block).toContain(
    "| Q8_0 | q8_0 100 % | 15.2500 | 15.2000 | −0.11 ± 0.23 % | 0.0800 | +0.32 % |",
  );
  expect(block).toContain("| Q8_0 | f16 | 15.2000 | +0.02 ± 0.23 % | 0.0800 | +0.32 % |");
});

function softmax(logits: Float64Array): Float64Array {
  const mass = logits.reduce((sum, logit) => sum + Math.exp(logit), 0);
  return logits.map((logit) => Math.exp(logit) / mass);
}
