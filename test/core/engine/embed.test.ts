import { expect, test } from "vitest";
import { createReferenceBackend } from "../../../backends/reference/backend.ts";
import type { Pooling } from "../../../core/engine/engine.ts";
import { createEngine } from "../../../core/engine/loop.ts";
import { loadModel } from "../../../core/model/load.ts";
import { memoryModel } from "../../fixtures/memory-model.ts";
import { createRunner } from "../../fixtures/runner.ts";
import { embeddingOf } from "./memory-model.ts";
import { createRig, request, turn } from "./rig.ts";

const tokens = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3];
const POOLINGS: readonly Pooling[] = ["mean", "last"];

test.each(POOLINGS)("embed(%s) has length 1 and leaves nothing behind", async (pooling) => {
  const { engine } = createRig();
  const embedding = await engine.embed({ tokens, pooling });
  expect(embedding).toEqual(embeddingOf(tokens, pooling));
  expect(Math.hypot(...embedding)).toBeCloseTo(1, 6);
  expect(engine.stats()).toMatchObject({ running: 0, kvBlocksUsed: 0, promptTokens: 10 });
  await engine.close();
});

test("steps whose jobs all embed leave the head out, others do not", async () => {
  const rig = createRig();
  await rig.engine.embed({ tokens, pooling: "mean" });
  expect(rig.batches.map(({ headless }) => headless ?? false)).not.toContain(false);
  rig.batches.length = 0;
  const answer = (async () => {
    for await (const _ of rig.engine.generate(request([1, 2], { maxTokens: 5 })));
  })();
  await Promise.all([rig.engine.embed({ tokens, pooling: "mean" }), answer]);
  expect(rig.batches.some(({ headless }) => headless !== true)).toBe(true);
  await rig.engine.close();
});

test("embed refuses what it cannot take and ends with its signal", async () => {
  const rig = createRig({ contextLength: 4 });
  const { engine } = rig;
  const refuse = (bad: number[]) => engine.embed({ tokens: bad, pooling: "mean" });
  await expect(refuse([])).rejects.toMatchObject({ code: "INVALID_REQUEST" });
  await expect(refuse([50])).rejects.toMatchObject({ code: "INVALID_REQUEST" });
  await expect(refuse([1, 2, 3, 4, 5])).rejects.toMatchObject({ code: "CONTEXT_LENGTH_EXCEEDED" });
  // All of the context, as nothing comes after it.
  await expect(refuse([1, 2, 3, 4])).resolves.toHaveLength(4);
  const leaving = new AbortController();
  rig.onRun = () => leaving.abort();
  const pending = engine.embed({ tokens: [1, 2], pooling: "mean", signal: leaving.signal });
  await expect(pending).rejects.toMatchObject({ code: "ABORTED" });
  await turn();
  expect(engine.stats()).toMatchObject({ running: 0, kvBlocksUsed: 0 });
  await engine.close();
  await expect(refuse([1])).rejects.toMatchObject({ code: "NOT_READY" });
});

test("the last state of a real network is what its head makes the logits of", async () => {
  const gguf = memoryModel({ dim: 32, heads: 2 });
  const backend = createReferenceBackend();
  const limits = { maxRows: 32, maxLogitRows: 4, blocks: 30, blockSize: 4 };
  const model = await loadModel(gguf, backend, limits);
  const [[logits]] = (await createRunner(backend, model).step([{ sequence: 0, tokens }])) as [
    [Float32Array],
  ];
  const engine = createEngine({
    backend,
    model,
    loadMs: 0,
    maxSequences: 2,
    maxWaiting: 2,
    yieldTurn: () => new Promise((resolve) => setImmediate(resolve)),
    now: () => performance.now(),
  });
  const embedding = await engine.embed({ tokens, pooling: "last" });
  const head = new Float32Array(gguf.bytes.get("output.weight")!.slice().buffer); // [vocab, dim]
  const made = Array.from(logits, (_, token) =>
    embedding.reduce((sum, value, i) => sum + value * head[token * 32 + i]!, 0),
  );
  // Up to the length that was divided away.
  const scale = Math.hypot(...logits) / Math.hypot(...made);
  expect(scale).toBeGreaterThan(0);
  for (const [token, logit] of logits.entries()) expect(made[token]! * scale).toBeCloseTo(logit, 4);
  await engine.close();
});
