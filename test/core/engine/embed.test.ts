import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { createReferenceBackend } from "../../../backends/reference/backend.ts";
import { createEngine } from "../../../core/engine/loop.ts";
import { openGguf } from "../../../core/gguf/parse.ts";
import { bytesSource } from "../../../core/gguf/source.ts";
import { loadModel } from "../../../core/model/load.ts";
import type { Pooling } from "../../../core/model/model.ts";
import { wasmBackend } from "../../fixtures/kernels.ts";
import { memoryModel } from "../../fixtures/memory-model.ts";
import { createRunner } from "../../fixtures/runner.ts";
import { embeddingOf } from "./memory-model.ts";
import { collect, createRig, request, turn } from "./rig.ts";

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

test("an embedding's bits do not depend on builds, threads, chunks and what else runs", async () => {
  const file = new URL("../../../examples/demo-model/sirocco-demo.q8_0.gguf", import.meta.url);
  const gguf = await openGguf(bytesSource(readFileSync(file)));
  const text = Array.from({ length: 40 }, (_, i) => 10 + ((i * 37) % 900));
  const embedded = new Set<string>();
  for (const [variant, threads, maxLogitRows, chunk] of [
    ["simd128", 1, 32, 64],
    ["relaxed", 1, 5, 7],
    ["relaxed16", 2, 32, 64],
  ] as const) {
    const backend = await wasmBackend(variant, threads);
    const limits = { maxRows: 64, maxLogitRows, blocks: 64, blockSize: 16 };
    const engine = createEngine({
      backend,
      model: await loadModel(gguf, backend, limits),
      loadMs: 0,
      maxSequences: 4,
      maxWaiting: 4,
      chunk,
      yieldTurn: () => new Promise((resolve) => setImmediate(resolve)),
      now: () => performance.now(),
    });
    const embed = (): Promise<Float32Array> => engine.embed({ tokens: text, pooling: "mean" });
    embedded.add((await embed()).join());
    const others = collect(engine, request([1, 2, 3], { maxTokens: 20 }));
    for (const one of await Promise.all([embed(), embed()])) embedded.add(one.join());
    await others;
    await engine.close();
  }
  expect(embedded.size).toBe(1);
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
