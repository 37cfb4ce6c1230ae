import { expect, test } from "vitest";
import { createReferenceBackend } from "../../../backends/reference/backend.ts";
import type { Engine } from "../../../core/engine/engine.ts";
import { createEngine } from "../../../core/engine/loop.ts";
import { loadModel } from "../../../core/model/load.ts";
import type { ModelLimits } from "../../../core/model/model.ts";
import { GREEDY } from "../../../core/sampler/params.ts";
import { memoryModel } from "../../fixtures/memory-model.ts";
import { collect, request, turn } from "./rig.ts";

/** A Llama with random weights on the reference backend. */
async function createLlamaEngine(limits: Partial<ModelLimits>, chunk: number): Promise<Engine> {
  const backend = createReferenceBackend();
  const gguf = memoryModel({ layers: 2 });
  const model = await loadModel(gguf, backend, {
    maxRows: 32,
    maxLogitRows: 8,
    blocks: 64,
    blockSize: 4,
    ...limits,
  });
  return createEngine({
    backend,
    model,
    loadMs: 0,
    maxSequences: 8,
    maxWaiting: 100,
    chunk,
    yieldTurn: turn,
    now: () => performance.now(),
  });
}

const PROMPTS = [
  [1, 2, 3, 4, 5, 6, 7],
  [9, 8, 7],
  [11],
  [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3],
  [12, 13],
];

test("a Llama gives a prompt the same tokens alone, in a batch, chunked and through preemption", async () => {
  const sampled = { ...GREEDY, temperature: 1, topP: 0.95, seed: 5 };
  const asked = PROMPTS.map((tokens, i) =>
    request(tokens, { maxTokens: 16, sampling: i % 2 === 0 ? GREEDY : sampled }),
  );
  const alone: number[][] = [];
  const single = await createLlamaEngine({}, 32);
  for (const ask of asked) alone.push((await collect(single, ask)).tokens);
  await single.close();
  expect(new Set(alone.flat()).size).toBeGreaterThan(5);

  for (const [chunk, limits] of [
    [32, {}],
    [1, {}],
    [7, { maxRows: 9 }],
    [32, { blocks: 10 }],
  ] as const) {
    const engine = await createLlamaEngine(limits, chunk);
    const answers = await Promise.all(asked.map((ask) => collect(engine, ask)));
    expect(answers.map((a) => a.tokens)).toEqual(alone);
    if ("blocks" in limits) expect(engine.stats().preemptions).toBeGreaterThan(0);
    expect(engine.stats().kvBlocksUsed).toBe(0);
    await engine.close();
  }
});
