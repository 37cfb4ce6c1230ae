import { describe, expect, test } from "vitest";
import { createReferenceBackend } from "../../backends/reference/backend.ts";
import { createEngine } from "../../core/engine/loop.ts";
import { loadModel } from "../../core/model/load.ts";
import { GREEDY } from "../../core/sampler/params.ts";
import type { KvLayer } from "../../core/tensor/backend.ts";
import { KV_TYPES } from "../../core/tensor/kv-type.ts";
import { handOver } from "../fixtures/hand-over.ts";
import { wasmBackend } from "../fixtures/kernels.ts";
import { memoryModel } from "../fixtures/memory-model.ts";

describe("02 what one tenant computed is nowhere for another to see (more: test/core/engine/kv-eraser)", () => {
  test.each(KV_TYPES)(
    "blocks of the cache, as %s, are zero before they change hands",
    async (type) => {
      const { alone, after, former } = await handOver(
        () => wasmBackend("simd128"),
        type,
        async (backend, ...range) => backend.readKv!(...range),
      );
      expect(former).not.toEqual(alone);
      expect(after).toEqual(alone);
    },
  );

  test("no value of another tenant's is in any block that a tenant holds", async () => {
    const backend = createReferenceBackend();
    const limits = { maxRows: 16, maxLogitRows: 2, blocks: 4, blockSize: 16 };
    const model = await loadModel(memoryModel(), backend, limits);
    const engine = createEngine({
      backend,
      model,
      loadMs: 0,
      maxSequences: 2,
      maxWaiting: 4,
      yieldTurn: () => Promise.resolve(),
      now: () => 0,
    });
    const ask = async (tenant: string, tokens: readonly number[]): Promise<void> => {
      const asked = { tokens, maxTokens: 1, sampling: GREEDY, stopTokens: [], tenant };
      for await (const event of engine.generate(asked)) void event;
    };
    const valuesOf = async (layer: KvLayer): Promise<Set<number>> => {
      const bytes = await backend.readKv!(layer, 0, 64);
      const values = new Float32Array(bytes.slice().buffer);
      return new Set(values.filter((value) => value !== 0));
    };
    // It fills the cache with a token that nobody else sends.
    await ask(
      "a",
      Array.from({ length: 63 }, () => 49),
    );
    const before = await Promise.all(model.cache.map(valuesOf));
    await ask(
      "b",
      Array.from({ length: 60 }, (_, i) => i % 40),
    );
    const after = await Promise.all(model.cache.map(valuesOf));
    for (const [layer, values] of after.entries()) {
      expect(before[layer]!.size).toBeGreaterThan(100);
      const left = [...values].filter((value) => before[layer]!.has(value));
      expect(left).toEqual([]);
    }
    await engine.close();
  });
});
