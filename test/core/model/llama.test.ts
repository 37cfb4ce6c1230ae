import { describe, expect, test } from "vitest";
import { createReferenceBackend } from "../../../backends/reference/backend.ts";
import { loadModel } from "../../../core/model/load.ts";
import type { Model } from "../../../core/model/model.ts";
import type { Backend } from "../../../core/tensor/backend.ts";
import { memoryModel } from "../../fixtures/memory-model.ts";
import type { MemoryModel } from "../../fixtures/memory-model.ts";
import { createRandom } from "../../fixtures/random.ts";
import { createRunner, prefill } from "../../fixtures/runner.ts";

interface Loaded {
  readonly backend: Backend;
  readonly model: Model;
}

async function load(gguf: MemoryModel): Promise<Loaded> {
  const backend = createReferenceBackend();
  const limits = { maxRows: 32, maxLogitRows: 32, blocks: 30, blockSize: 4 };
  return { backend, model: await loadModel(gguf, backend, limits) };
}

const random = createRandom(5);
const tokens = Array.from({ length: 30 }, () => random.int(0, 49));

/** Logits after every token, the whole prompt in one step. */
async function whole(gguf: MemoryModel): Promise<Float32Array[]> {
  const { backend, model } = await load(gguf);
  const logits = tokens.map((_, i) => i);
  const [rows] = await createRunner(backend, model).step([{ sequence: 0, tokens, logits }]);
  return rows!;
}

describe("createLlama", () => {
  test("gives the same bits token by token, in chunks and whole", async () => {
    const gguf = memoryModel();
    gguf.metadata.set("llama.attention.sliding_window", 7);
    const expected = await whole(gguf);
    const { backend, model } = await load(gguf);
    for (const size of [1, 5, 16]) {
      const runner = createRunner(backend, model);
      for (let at = 0; at < tokens.length; at += size) {
        const chunk = tokens.slice(at, at + size);
        const [rows] = await runner.step([{ sequence: 0, tokens: chunk }]);
        expect(rows![0]).toEqual(expected[at + chunk.length - 1]);
      }
    }
  });

  test("gives the same bits alone and among other sequences", async () => {
    const gguf = memoryModel();
    const expected = await whole(gguf);
    const { backend, model } = await load(gguf);
    const runner = createRunner(backend, model, 3);
    await runner.step([
      { sequence: 1, tokens: [3, 3, 3, 3] },
      { sequence: 0, tokens: tokens.slice(0, 10), logits: [] },
      { sequence: 2, tokens: [9] },
    ]);
    const parts = await runner.step([
      { sequence: 2, tokens: [1, 2] },
      { sequence: 0, tokens: tokens.slice(10, 30), logits: [0, 19] },
    ]);
    expect(parts[1]).toEqual([expected[10], expected[29]]);
  });

  test("depends on each earlier token, but not beyond what the windows of its layers reach", async () => {
    const gguf = memoryModel({ layers: 2 });
    const last = async (first: number): Promise<Float32Array> => {
      const { backend, model } = await load(gguf);
      const prompt = [first, ...tokens.slice(1, 20)];
      return prefill(createRunner(backend, model), model, prompt);
    };
    expect(await last(4)).not.toEqual(await last(5));
    // Each of two layers looks back w - 1 positions: 20 tokens are too far apart for w = 10.
    gguf.metadata.set("llama.attention.sliding_window", 10);
    expect(await last(4)).toEqual(await last(5));
    gguf.metadata.set("llama.attention.sliding_window", 11);
    expect(await last(4)).not.toEqual(await last(5));
  });

  test("uses attention.scale in place of 1 / sqrt(headDim)", async () => {
    const gguf = memoryModel({ headDim: 16 });
    const usual = await whole(gguf);
    gguf.metadata.set("llama.attention.scale", 0.25);
    expect(await whole(gguf)).toEqual(usual);
    gguf.metadata.set("llama.attention.scale", 0.5);
    expect((await whole(gguf))[29]).not.toEqual(usual[29]);
  });

  test("allocates nothing on a backend after loading, and no views for a size it has seen", async () => {
    const { backend, model } = await load(memoryModel());
    const before = backend.memory();
    let views = 0;
    const view = backend.view.bind(backend);
    backend.view = (tensor, rows) => {
      views += 1;
      return view(tensor, rows);
    };
    const runner = createRunner(backend, model);
    await runner.step([{ sequence: 0, tokens: [1, 2, 3] }]);
    const first = views;
    expect(first).toBeGreaterThan(0);
    await runner.step([{ sequence: 0, tokens: [4, 5, 6] }]);
    expect(views).toBe(first);
    expect(backend.memory()).toEqual(before);
  });

  test("rejects a step with more rows than its limit", async () => {
    const { backend, model } = await load(memoryModel());
    const runner = createRunner(backend, model);
    const step = runner.step([{ sequence: 0, tokens: Array<number>(33).fill(1) }]);
    await expect(step).rejects.toThrow(RangeError);
  });
});
