import { expect, test } from "vitest";
import { createReferenceBackend } from "../../../backends/reference/backend.ts";
import { createExpertCounts } from "../../../core/engine/expert-counts.ts";
import { createEngine } from "../../../core/engine/loop.ts";
import { loadModel } from "../../../core/model/load.ts";
import { mixtureModel } from "../../fixtures/mixture-model.ts";

test("counts what a device has counted, between pauses and when nothing follows", async () => {
  const backend = createReferenceBackend();
  const tally = backend.alloc("tally", [3]);
  const counts = createExpertCounts(backend, [tally]);
  const count = async (values: readonly number[], idle: boolean): Promise<void> => {
    const before = await backend.read(tally);
    backend.write(
      tally,
      before.map((value, i) => value + values[i]!),
    );
    await counts.step(idle);
  };
  await count([1, 0, 2], false);
  expect(counts.rows).toEqual([[0, 0, 0]]);
  await count([0, 5, 0], true);
  expect(counts.rows).toEqual([[1, 5, 2]]);
  for (let i = 0; i < 1000; i++) await count([1, 0, 0], false);
  await count([0, 0, 0], true);
  expect(counts.rows).toEqual([[1001, 5, 2]]);
});

test("an engine tells how many rows took each expert of each layer", async () => {
  const backend = createReferenceBackend();
  const limits = { maxRows: 8, maxLogitRows: 2, blocks: 8, blockSize: 16 };
  const model = await loadModel(mixtureModel({ experts: 4, used: 2 }), backend, limits);
  const engine = createEngine({
    backend,
    model,
    loadMs: 0,
    maxSequences: 1,
    maxWaiting: 1,
    yieldTurn: () => Promise.resolve(),
    now: () => performance.now(),
  });
  const tokens = Array.from({ length: 20 }, (_, i) => i + 1);
  await engine.score({ tokens, from: 1 });
  // The last statistics come with the next look: reading is part of the last step.
  await engine.score({ tokens: [1, 2], from: 1 });
  await engine.close();
  const { expertRows, rows } = engine.stats();
  expect(expertRows).toHaveLength(model.config.layers);
  for (const layer of expertRows!) {
    expect(layer).toHaveLength(4);
    expect(layer.reduce((sum, count) => sum + count, 0)).toBe(2 * rows);
  }
});
