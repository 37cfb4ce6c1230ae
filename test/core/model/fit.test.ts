import { describe, expect, test } from "vitest";
import { createReferenceBackend } from "../../../backends/reference/backend.ts";
import { checkFit } from "../../../core/model/fit.ts";
import { loadModel } from "../../../core/model/load.ts";
import { workloadOf } from "../../../core/model/workload.ts";
import type { MemoryNeed } from "../../../core/tensor/workload.ts";
import { wasmBackend } from "../../fixtures/kernels.ts";
import { memoryModel } from "../../fixtures/memory-model.ts";

const MIB = 2 ** 20;
const LIMITS = { maxRows: 16, maxLogitRows: 2, blocks: 8, blockSize: 16 } as const;
const workload = workloadOf(memoryModel(), LIMITS);

function refusal(need: MemoryNeed): string {
  try {
    checkFit({ name: "toy", need: () => need }, workload);
    return "";
  } catch (error) {
    expect(error).toMatchObject({ code: "INSUFFICIENT_RESOURCES" });
    return (error as Error).message;
  }
}

function tooLarge(): never {
  throw new RangeError("activations take 9 bytes, the device binds 8 at once");
}

describe("checkFit", () => {
  test("lets pass what fits to the byte", () => {
    expect(refusal({ weights: 60, kv: 30, activations: 10, limit: 100 })).toBe("");
  });

  test("says what is needed, what there is, and that the cache is what can be smaller", () => {
    const need = { weights: 100 * MIB, kv: 64 * MIB, activations: 4 * MIB, limit: 136 * MIB };
    expect(refusal(need)).toBe(
      "Cannot load the model: it needs 168 MiB: 100 MiB of weights, 64 MiB of keys and values, " +
        "4.0 MiB of activations; the toy backend may take 136 MiB. Keys and values of 64 tokens would fit, not of " +
        "128: use a smaller context, fewer requests at a time, keys and values as q8_0 (18 MiB, which fits) " +
        "or a smaller quantisation, or allow more memory",
    );
  });

  test("advises no smaller context where the weights alone are too much", () => {
    const need = { weights: 100 * MIB, kv: 64 * MIB, activations: 4 * MIB, limit: 64 * MIB };
    expect(refusal(need)).toMatch(
      /Use a smaller quantisation, of \d+\.\d bits a weight at most, or a smaller model, or allow more memory$/,
    );
  });

  test("advises a smaller batch where weights and activations leave no room", () => {
    const need = { weights: 60 * MIB, kv: 1, activations: 10 * MIB, limit: 64 * MIB };
    expect(refusal(need)).toMatch(/Use a smaller batch,/);
  });

  test("tells of what a device cannot hold at one place", () => {
    expect(() => checkFit({ name: "toy", need: tooLarge }, workload)).toThrow(
      "Cannot load the model: on the toy backend activations take 9 bytes, the device binds 8 at once. " +
        "Use a smaller context or batch",
    );
  });
});

describe("need is what loading takes", () => {
  const models = [
    memoryModel({ matrices: "q4_0", vectors: "f16", tied: true }),
    memoryModel({ matrices: "q6_k", dim: 256, hiddenDim: 512, heads: 4, headDim: 64 }),
    memoryModel({ matrices: "f32", vectors: "q8_0" }),
  ];

  test.for(["f32", "f16", "q8_0"] as const)("on the reference, cached as %s", async (kvType) => {
    for (const gguf of models) {
      const backend = createReferenceBackend();
      const limits = { ...LIMITS, kvType };
      const need = backend.need(workloadOf(gguf, limits));
      await loadModel(gguf, backend, limits);
      expect(need).toEqual({ ...backend.memory(), limit: Infinity });
    }
  });

  test.for(["f32", "f16", "q8_0"] as const)("on WebAssembly, cached as %s", async (kvType) => {
    for (const gguf of models) {
      const backend = await wasmBackend("simd128");
      const limits = { ...LIMITS, kvType };
      const planned = workloadOf(gguf, limits);
      const need = backend.need(planned);
      const before = backend.memory();
      await loadModel(gguf, backend, limits);
      const after = backend.memory();
      for (const [kind, count] of [
        ["weights", 2 * planned.weights.length],
        ["kv", planned.caches.length],
        ["activations", planned.activations.length],
      ] as const) {
        const taken = after[kind] - before[kind];
        expect(need[kind], kind).toBeGreaterThanOrEqual(taken);
        // Each allocation begins at a cache line, which is not counted as used.
        expect(need[kind], kind).toBeLessThan(taken + 64 * count);
      }
      await backend.close();
    }
  });
});
