import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { WebGpuBackend } from "../../backends/webgpu/backend.ts";
import type { Counters } from "../../backends/webgpu/counters.ts";
import { loadModel } from "../../core/model/load.ts";
import type { Model } from "../../core/model/model.ts";
import { weightBytes } from "../../core/model/tensors.ts";
import type { Tensor } from "../../core/tensor/tensor.ts";
import { memoryModel } from "../fixtures/memory-model.ts";
import { createRunner, prefill, type Runner } from "../fixtures/runner.ts";
import { createGpu, VARIANT } from "./backend.ts";

const LAYERS = 5;
const SHAPE = { dim: 256, hiddenDim: 512, heads: 8, kvHeads: 2, headDim: 32, vocabSize: 300 };

describe(`a step on ${VARIANT}`, () => {
  let backend: WebGpuBackend;
  let model: Model;
  let runner: Runner;
  const gguf = memoryModel({ ...SHAPE, layers: LAYERS, matrices: "q4_0", tied: true });

  beforeAll(async () => {
    backend = await createGpu();
    const limits = { maxRows: 16, maxLogitRows: 4, blocks: 16, blockSize: 16 };
    model = await loadModel(gguf, backend, limits);
    runner = createRunner(backend, model);
    await prefill(runner, model, [1, 2, 3]);
    await decode(4);
  });
  afterAll(() => backend.close());

  /** What a step of one row does, its question about the logits included. */
  async function decode(token: number): Promise<Counters> {
    const before = backend.counters();
    await runner.step([{ sequence: 0, tokens: [token] }]);
    const after = backend.counters();
    return Object.fromEntries(
      Object.entries(after).map(([name, value]) => [name, value - before[name as keyof Counters]]),
    ) as unknown as Counters;
  }

  test("allocates, compiles and plans nothing after the first token", async () => {
    for (let token = 5; token < 60; token++) {
      const { buffers, bindGroups, compiles, plans, submits } = await decode(token);
      expect({ buffers, bindGroups, compiles, plans, submits }).toEqual({
        buffers: 0,
        bindGroups: 0,
        compiles: 0,
        plans: 0,
        submits: 1,
      });
    }
  });

  test("takes at most 8 dispatches a layer", async () => {
    const { dispatches } = await decode(7);
    // Beside the layers: the embedding, and gathering, normalising and multiplying by the head.
    expect(dispatches).toBeLessThanOrEqual(8 * LAYERS + 4);
  });

  test("reads each byte of the weights and of what the cache holds once", async () => {
    const position = 70;
    while ((await decode(9)).cacheBytes < cacheBytesAt(position - 1));
    const { weightBytes: weights, cacheBytes } = await decode(9);
    expect(cacheBytes).toBe(cacheBytesAt(position));
    expect(weights).toBeGreaterThan(0.95 * weightBytes(gguf).perToken);
    expect(weights + cacheBytes).toBeLessThanOrEqual(
      1.05 * (weightBytes(gguf).perToken + cacheBytesAt(position)),
    );
  });

  test("reads the cache once for as many rows of a sequence as a workgroup takes", async () => {
    runner.reset(0);
    const before = backend.counters().cacheBytes;
    const tokens = Array.from({ length: 16 }, (_, i) => i);
    await prefill(runner, model, tokens);
    // Four heads share keys, and eight queries are together: two rows, of which the second sees more.
    const tiles = tokens.filter((row) => row % 2 === 1);
    const expected = tiles.reduce((sum, row) => sum + cacheBytesAt(row), 0);
    expect(backend.counters().cacheBytes - before).toBe(expected);
  });

  test("answers about its logits with few bytes, in the same submission", async () => {
    const batch = {
      positions: Uint32Array.of(100),
      slots: Uint32Array.of(100),
      starts: Uint32Array.of(0, 1),
      blocks: Uint32Array.from({ length: 16 }, (_, i) => i),
      blockSize: 16,
      tokens: Uint32Array.of(3),
      logitRows: Uint32Array.of(0),
    };
    const ask = async (): Promise<{ readonly logits: Tensor; readonly best: number }> => {
      let logits = undefined as Tensor | undefined;
      model.prepare(batch);
      await backend.run((ops) => {
        logits = model.forward(ops, batch);
      });
      const [answer] = await backend.reduce(logits!, [{ row: 0, k: 1 }]);
      return { logits: logits!, best: answer!.ids[0]! };
    };
    await ask(); // compiles
    const before = backend.counters();
    const { logits, best } = await ask();
    const after = backend.counters();
    expect(after.submits - before.submits).toBe(1);
    expect(after.buffers - before.buffers).toBe(0);
    expect(after.readBytes - before.readBytes).toBeLessThanOrEqual(64);
    const row = (await backend.read(logits)).subarray(0, SHAPE.vocabSize);
    expect(best).toBe(row.indexOf(Math.max(...row)));
  });
});

/** Keys and values, f32, of all layers that a row at `position` sees. */
function cacheBytesAt(position: number): number {
  return LAYERS * 2 * SHAPE.kvHeads * SHAPE.headDim * 4 * (position + 1);
}
