import { expect, test } from "vitest";
import { createReferenceBackend } from "../../../backends/reference/backend.ts";
import { createExpertCounts } from "../../../core/engine/expert-counts.ts";
import { hostEngine } from "../../../core/engine/host.ts";
import { createEngine } from "../../../core/engine/loop.ts";
import { connectEngine } from "../../../core/engine/remote.ts";
import type { SteppedEngine } from "../../../core/engine/stepped-engine.ts";
import { loadModel } from "../../../core/model/load.ts";
import { mixtureModel } from "../../fixtures/mixture-model.ts";

test.each([
  ["reference", 1],
  ["webgpu", 128],
])("reads what %s has counted every %i steps, and when nothing follows", async (name, between) => {
  const backend = Object.assign(createReferenceBackend(), { name });
  const tally = backend.alloc("tally", [3]);
  const counts = createExpertCounts(backend, [tally]);
  const step = async (values: readonly number[]): Promise<void> => {
    const before = await backend.read(tally);
    backend.write(
      tally,
      before.map((value, i) => value + values[i]!),
    );
    await counts.step();
  };
  for (let i = 1; i < between; i++) await step([1, 0, 2]);
  expect(counts.rows).toEqual([[0, 0, 0]]);
  await step([1, 0, 2]);
  expect(counts.rows).toEqual([[between, 0, 2 * between]]);
  await step([0, 5, 0]);
  await counts.idle();
  await counts.idle();
  expect(counts.rows).toEqual([[between, 5, 2 * between]]);
});

async function startMixture(): Promise<SteppedEngine> {
  const backend = createReferenceBackend();
  const limits = { maxRows: 8, maxLogitRows: 2, blocks: 8, blockSize: 16 };
  return createEngine({
    backend,
    model: await loadModel(mixtureModel({ experts: 4, used: 2 }), backend, limits),
    loadMs: 0,
    maxSequences: 1,
    maxWaiting: 1,
    yieldTurn: () => new Promise((resolve) => setImmediate(resolve)),
    now: () => performance.now(),
  });
}

test("an engine tells how many rows took each expert, also over a port, with the answer itself", async () => {
  const { port1, port2 } = new MessageChannel();
  const own = await startMixture();
  hostEngine(own, port1);
  const engine = await connectEngine(port2);
  const tokens = Array.from({ length: 20 }, (_, i) => i + 1);
  await engine.score({ tokens, from: 1 });
  const { expertRows, rows } = engine.stats();
  expect(rows).toBeGreaterThanOrEqual(19);
  expect(expertRows).toHaveLength(2);
  for (const layer of expertRows!) {
    expect(layer).toHaveLength(4);
    expect(layer.reduce((sum, count) => sum + count, 0)).toBe(2 * rows);
  }
  expect(own.stats().expertRows).toEqual(expertRows);
  await engine.close();
});
