import { expect, test } from "vitest";
import { createReferenceBackend } from "../../../backends/reference/backend.ts";
import { loadModel } from "../../../core/model/load.ts";
import { workloadOf } from "../../../core/model/workload.ts";
import { byteLength } from "../../../core/tensor/dtype.ts";
import { memoryModel } from "../../fixtures/memory-model.ts";

const LIMITS = { maxRows: 16, maxLogitRows: 2, blocks: 8, blockSize: 16, kvType: "f16" } as const;

function elements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

test("workloadOf lists each kind of operation of a step once, put together where backends may", () => {
  const gguf = memoryModel({ matrices: "q4_0", layers: 3 });
  gguf.add("blk.1.ffn_down.weight", "q8_0", [64, 96]);
  const cache = { kvHeads: 2, headDim: 16, type: "f16" };
  const rotation = { style: "norm", headDim: 16, dims: 16 };
  expect(workloadOf(gguf, LIMITS).operations).toEqual([
    { kind: "embed", type: "q4_0" },
    { kind: "rmsNorm", eps: 1e-5 },
    { kind: "matmul", types: ["q4_0", "q4_0", "q4_0"], columns: 64, added: false },
    { kind: "attention", heads: 4, cache, scale: 0.25, rotation },
    { kind: "matmul", types: ["q4_0"], columns: 64, added: true },
    { kind: "gatedMatmul", types: ["q4_0", "q4_0"], columns: 64 },
    { kind: "matmul", types: ["q4_0"], columns: 96, added: true },
    { kind: "matmul", types: ["q8_0"], columns: 96, added: true },
    { kind: "gather" },
    { kind: "matmul", types: ["q4_0"], columns: 64, added: false },
  ]);
});

test("workloadOf knows what a model takes before it is loaded", async () => {
  const gguf = memoryModel({ matrices: "q4_0", vectors: "f16", tied: true });
  const { weights, activations, caches } = workloadOf(gguf, LIMITS);
  const backend = createReferenceBackend();
  await loadModel(gguf, backend, LIMITS);
  const { kv, activations: taken } = backend.memory();
  expect(4 * sum(activations.map(elements))).toBe(taken);
  expect(sum(caches.map(({ slots, shape }) => 8 * slots * shape.kvHeads * shape.headDim))).toBe(kv);
  expect(weights.map(({ label }) => label)).toEqual([...gguf.tensors.keys()]);
  expect(weights[0]).toEqual({ label: "output_norm.weight", dtype: "f32", shape: [64] });
  expect(byteLength(weights[2]!.dtype, elements(weights[2]!.shape))).toBe(
    gguf.tensors.get("blk.0.attn_q.weight")!.byteLength,
  );
});
