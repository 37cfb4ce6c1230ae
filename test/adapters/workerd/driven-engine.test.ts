import { expect, test } from "vitest";
import { driveByReaders } from "../../../adapters/workerd/driven-engine.ts";
import { createEngine } from "../../../core/engine/loop.ts";
import { createMemoryModel } from "../../core/engine/memory-model.ts";
import { collect, createRig, request } from "../../core/engine/rig.ts";

function createDriven() {
  const memory = createMemoryModel({ maxRows: 64, maxLogitRows: 8, blocks: 64, blockSize: 4 });
  const stepped = createEngine({
    ...memory,
    loadMs: 0,
    maxSequences: 8,
    maxWaiting: 8,
    now: () => performance.now(),
  });
  return { stepped, engine: driveByReaders(stepped) };
}

test("without a reader nothing runs", async () => {
  const { stepped } = createDriven();
  stepped.generate(request([1, 2, 3]))[Symbol.asyncIterator]();
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(stepped.stats()).toMatchObject({ waiting: 1, steps: 0 });
});

test("readers get what the loop would give them, alone and together", async () => {
  const expected = await collect(createRig().engine, request([1, 2, 3]));
  const { engine } = createDriven();
  const answers = await Promise.all([1, 2, 3].map(() => collect(engine, request([1, 2, 3]))));
  for (const { tokens } of answers) expect(tokens).toEqual(expected.tokens);
  expect(engine.stats()).toMatchObject({ running: 0, waiting: 0 });
});

test("a reader that has stopped reading does not stop the others", async () => {
  const { engine } = createDriven();
  const idle = engine.generate(request([1, 2, 3]))[Symbol.asyncIterator]();
  await idle.next();
  expect((await collect(engine, request([4, 5]))).tokens).toHaveLength(10);
  await idle.return?.();
  expect(engine.stats().running).toBe(0);
});

test("an aborted signal ends the wait", async () => {
  const { engine } = createDriven();
  const leaving = new AbortController();
  const { signal } = leaving;
  const answer = engine.generate(request([1], { signal }))[Symbol.asyncIterator]();
  await answer.next();
  leaving.abort();
  await expect(answer.next()).rejects.toMatchObject({ code: "ABORTED" });
  expect(engine.stats().running).toBe(0);
});
