import { describe, expect, test } from "vitest";
import { createReferenceBackend } from "../../../backends/reference/backend.ts";
import { createKvEraser } from "../../../core/engine/kv-eraser.ts";
import { wasmBackend } from "../../fixtures/kernels.ts";
import { handOver } from "../../fixtures/hand-over.ts";
import { type KvType, KV_TYPES } from "../../../core/tensor/kv-type.ts";
import type { Backend } from "../../../core/tensor/backend.ts";

const BACKENDS: Readonly<Record<string, () => Promise<Backend>>> = {
  reference: () => Promise.resolve(createReferenceBackend()),
  "wasm, one thread": () => wasmBackend("simd128"),
  "wasm, two threads": () => wasmBackend("simd128", 2),
};

const cases = Object.keys(BACKENDS).flatMap((name) =>
  KV_TYPES.map((type) => [name, type] as const),
);

describe("blocks that come from one tenant to another", () => {
  test.for<readonly [string, KvType]>(cases)(
    "hold nothing of the former, %s, cached as %s",
    async ([name, kvType]) => {
      const { alone, after, former, erased } = await handOver(
        BACKENDS[name]!,
        kvType,
        async (backend, ...range) => backend.readKv!(...range),
      );
      // To the last byte what the second tenant would have left in a cache of its own.
      expect(after).toEqual(alone);
      expect(former).not.toEqual(alone);
      // Six blocks are neighbours, so it is once for each of two layers; and never for one tenant.
      expect(erased).toEqual([0, 2]);
    },
  );
});

test("createKvEraser erases runs of neighbours at once, in every layer", () => {
  const calls: unknown[] = [];
  const [a, b] = [
    { label: "a", slots: 80 },
    { label: "b", slots: 80 },
  ];
  const limits = { maxRows: 1, maxLogitRows: 1, blocks: 5, blockSize: 16 };
  const erase = createKvEraser(
    { zeroKv: ({ label }, first, count) => calls.push([label, first, count]) },
    { cache: [a, b], limits },
  );
  erase([4, 2, 0, 1]);
  expect(calls).toEqual([
    ["a", 0, 48],
    ["b", 0, 48],
    ["a", 64, 16],
    ["b", 64, 16],
  ]);
});
