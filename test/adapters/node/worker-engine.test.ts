import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { demoModelPath } from "../../../adapters/node/package-root.ts";
import { startWorker } from "../../../adapters/node/worker-engine.ts";
import type { Engine } from "../../../core/engine/engine.ts";
import { GREEDY } from "../../../core/sampler/params.ts";

const DEMO = { model: demoModelPath() };
const MORTAL = new URL("../../fixtures/mortal-worker.ts", import.meta.url);
const REQUEST = { tokens: [1], maxTokens: 8, sampling: GREEDY, stopTokens: [] };

/** The tokens of an answer, until its end or its failure. */
async function tokensOf(engine: Engine, into: number[]): Promise<void> {
  for await (const event of engine.generate(REQUEST)) {
    if (event.type === "token") into.push(event.token);
  }
}

test("an engine in a worker answers, and its end by close is no death", async () => {
  const worker = await startWorker(DEMO);
  const tokens: number[] = [];
  await tokensOf(worker.engine, tokens);
  expect(tokens).toHaveLength(8);
  await worker.close();
  expect(await Promise.race([worker.engine.broken, sleep(50, "alive")])).toBe("alive");
});

test("a worker that dies ends running requests and refuses later ones", async () => {
  const worker = await startWorker(DEMO, undefined, undefined, MORTAL);
  const tokens: number[] = [];
  await expect(tokensOf(worker.engine, tokens)).rejects.toMatchObject({ code: "INTERNAL" });
  expect(tokens).toHaveLength(3);
  expect(await worker.engine.broken).toMatchObject({
    reason: "died",
    error: { message: expect.stringContaining("code 7") as string },
  });
  await expect(tokensOf(worker.engine, [])).rejects.toMatchObject({ code: "NOT_READY" });
  await worker.close();
});

test("a dead worker counts as an engine that makes no progress, so that liveness fails", async () => {
  const worker = await startWorker(DEMO, undefined, undefined, MORTAL);
  expect(worker.engine.stats().stalledMs).toBe(0);
  await tokensOf(worker.engine, []).catch(() => {});
  await worker.engine.broken;
  const { stalledMs } = worker.engine.stats();
  await sleep(50);
  expect(worker.engine.stats().stalledMs - stalledMs).toBeGreaterThanOrEqual(40);
  await worker.close();
});

test("loading in a worker tells its progress and can be aborted", async () => {
  const controller = new AbortController();
  await expect(
    startWorker(DEMO, () => controller.abort(), controller.signal),
  ).rejects.toMatchObject({ code: "ABORTED" });
});

test("what goes wrong while a worker loads keeps its code", async () => {
  await expect(startWorker({ model: "absent.gguf" })).rejects.toMatchObject({
    name: "RuntimeError",
    code: "MODEL_NOT_FOUND",
  });
});
