import * as fc from "fast-check";
import { expect, test } from "vitest";
import { gpuNeed, planArenas } from "../../backends/webgpu/need.ts";
import { workloadOf } from "../../core/model/workload.ts";
import { byteLength } from "../../core/tensor/dtype.ts";
import type { Workload } from "../../core/tensor/workload.ts";
import { memoryModel } from "../fixtures/memory-model.ts";

const MIB = 2 ** 20;
const LIMITS = { maxRows: 16, maxLogitRows: 2, blocks: 8, blockSize: 16, kvType: "q8_0" } as const;
const workload = workloadOf(memoryModel({ matrices: "q4_0" }), LIMITS);
const bounds = { largestBuffer: 128 * MIB, maxArena: 64 * MIB, maxBytes: Infinity };

function weightsOf(shapes: readonly (readonly [number, number])[]): Workload {
  const weights = shapes.map((shape, i) => ({ label: `w${i}`, dtype: "f32" as const, shape }));
  return { weights, activations: [], caches: [], operations: [] };
}

test("planArenas makes arenas that hold all weights and no more than the alignment beside", () => {
  const shape = fc.tuple(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 64 }));
  fc.assert(
    fc.property(fc.array(shape, { minLength: 1, maxLength: 30 }), (shapes) => {
      const most = 16_384;
      const arenas = planArenas(weightsOf(shapes), most);
      const bytes = shapes.reduce((sum, [rows, columns]) => sum + 4 * rows * columns, 0);
      const pieces = shapes.reduce(
        (sum, [rows, columns]) => sum + Math.ceil((4 * rows * columns) / (most - 512)) + 1,
        0,
      );
      const planned = arenas.reduce((sum, size) => sum + size, 0);
      expect(Math.max(...arenas)).toBeLessThanOrEqual(most);
      expect(planned).toBeGreaterThanOrEqual(bytes);
      expect(planned).toBeLessThan(bytes + 256 * pieces);
    }),
  );
});

test("a row that no arena holds is a RangeError", () => {
  expect(() => planArenas(weightsOf([[1, 8192]]), 16_384)).toThrow(/"w0": a row takes 32768 bytes/);
});

test("gpuNeed counts weights as they are in the file, caches, activations and what it works with", () => {
  const need = gpuNeed(workload, bounds);
  const weights = workload.weights.reduce(
    (sum, { dtype, shape }) =>
      sum +
      byteLength(
        dtype,
        shape.reduce((a, b) => a * b, 1),
      ),
    0,
  );
  expect(need.weights).toBeGreaterThanOrEqual(weights);
  expect(need.weights).toBeLessThan(weights + 256 * workload.weights.length);
  // Two layers, 128 slots, 2 heads of 16 values and a scale of four bytes, keys and values.
  expect(need.kv).toBe(2 * 128 * 2 * 2 * (16 + 4));
  expect(need.limit).toBe(Infinity);
});

test("gpuNeed refuses what has to be bound at once and is too large for that", () => {
  expect(() => gpuNeed(workload, { ...bounds, largestBuffer: 8192 })).toThrow(
    /a layer's keys and values take 10240 bytes, the device binds 8192/,
  );
  const wide = workloadOf(memoryModel({ matrices: "q4_0" }), { ...LIMITS, maxRows: 2000 });
  expect(() => gpuNeed(wide, { ...bounds, largestBuffer: MIB })).toThrow(
    /activations take \d+ bytes/,
  );
});
