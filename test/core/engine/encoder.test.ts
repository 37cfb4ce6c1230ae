import { expect, test } from "vitest";
import { createReferenceBackend } from "../../../backends/reference/backend.ts";
import { toUnitLength } from "../../../core/engine/embed-job.ts";
import { createEngine } from "../../../core/engine/loop.ts";
import type { SteppedEngine } from "../../../core/engine/stepped-engine.ts";
import { loadModel } from "../../../core/model/load.ts";
import type { Backend } from "../../../core/tensor/backend.ts";
import { wasmBackend } from "../../fixtures/kernels.ts";
import { goldenModel, readGoldens } from "../../goldens/cases.ts";
import { request, turn } from "./rig.ts";

const golden = readGoldens().encoders[0]!;
const { prompt, states } = golden;
const dim = states.length / prompt.length;

async function start(
  backend: Backend = createReferenceBackend(),
  more: { readonly maxLogitRows?: number; readonly chunk?: number } = {},
): Promise<SteppedEngine> {
  const { maxLogitRows = 32, chunk = 32 } = more;
  const limits = { maxRows: 32, maxLogitRows, blocks: 40, blockSize: 16 };
  const model = await loadModel(goldenModel(golden), backend, limits);
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

/** What PyTorch's states come to. */
function pooled(pooling: "mean" | "cls" | "last"): Float32Array {
  const sum = new Float64Array(dim);
  for (const [i, value] of states.entries()) {
    const row = Math.floor(i / dim);
    const counts = { mean: true, cls: row === 0, last: row === prompt.length - 1 }[pooling];
    if (counts) sum[i % dim]! += value;
  }
  return toUnitLength(sum);
}

test.each(["mean", "cls", "last"] as const)(
  "an encoder pools its states as %s",
  async (pooling) => {
    const engine = await start();
    const embedding = await engine.embed({ tokens: prompt, pooling });
    const expected = pooled(pooling);
    for (const [i, value] of embedding.entries()) expect(value).toBeCloseTo(expected[i]!, 5);
    await engine.close();
  },
);

test("texts of an encoder come whole, together where they fit, and share no beginnings", async () => {
  const engine = await start(await wasmBackend("simd128"));
  const texts = Array.from({ length: 30 }, (_, i) => {
    const length = [1, 32, 17, 5, 16, 31][i % 6]!;
    return [...prompt.slice(0, 16), ...prompt.map((token) => (token + i) % 100)].slice(0, length);
  });
  const alone: Float32Array[] = [];
  for (const tokens of texts) alone.push(await engine.embed({ tokens, pooling: "mean" }));
  const before = engine.stats();
  const together = await Promise.all(
    texts.map((tokens) => engine.embed({ tokens, pooling: "mean" })),
  );
  expect(together).toEqual(alone);
  const { steps, rows, prefixHits, kvBlocksUsed } = engine.stats();
  expect(rows - before.rows).toBe(texts.reduce((sum, { length }) => sum + length, 0));
  expect(steps - before.steps).toBeLessThan(texts.length);
  expect({ prefixHits, kvBlocksUsed }).toEqual({ prefixHits: 0, kvBlocksUsed: 0 });
  await engine.close();
});

test("an encoder's context is what one step takes", async () => {
  const engine = await start(createReferenceBackend(), { maxLogitRows: 20 });
  expect(engine.info).toMatchObject({ contextLength: 20, embedsOnly: true });
  await engine.embed({ tokens: prompt.slice(0, 20), pooling: "mean" });
  const long = engine.embed({ tokens: prompt.slice(0, 21), pooling: "mean" });
  await expect(long).rejects.toMatchObject({ code: "CONTEXT_LENGTH_EXCEEDED" });
  await engine.close();
});

test("an encoder refuses to generate, to score and to save a beginning", async () => {
  const engine = await start();
  const answer = engine.generate(request([1, 2]))[Symbol.asyncIterator]();
  await expect(answer.next()).rejects.toMatchObject({ code: "INVALID_REQUEST" });
  const refused = { code: "INVALID_REQUEST", message: expect.stringContaining("embeds") as string };
  await expect(engine.score({ tokens: [1, 2], from: 1 })).rejects.toMatchObject(refused);
  await expect(engine.savePrefix([1, 2])).rejects.toMatchObject(refused);
  await engine.close();
});
