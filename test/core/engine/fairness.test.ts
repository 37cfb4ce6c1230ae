import { expect, test } from "vitest";
import { RuntimeError } from "../../../core/errors.ts";
import { GREEDY } from "../../../core/sampler/params.ts";
import { expected } from "./memory-model.ts";
import { collect, createRig, request, turn } from "./rig.ts";

/** A prompt that shares nothing with another of its kind. */
function long(length: number, seed: number): number[] {
  return Array.from({ length }, (_, i) => (i * seed + seed) % 50);
}

test("a tenant gets a slot within a step though another holds all, and nobody loses a token", async () => {
  const { engine } = createRig({ maxSequences: 4, chunk: 8, maxRows: 16, blocks: 200 });
  const noisy = Array.from({ length: 12 }, (_, i) => {
    const prompt = long(60, i + 1);
    return { prompt, answer: collect(engine, request(prompt, { maxTokens: 40, tenant: "noisy" })) };
  });
  for (let i = 0; i < 25; i++) await turn();
  expect(engine.stats()).toMatchObject({ running: 4 });

  const before = engine.stats().steps;
  const quiet = engine.generate(request([1, 2, 3], { tenant: "quiet", maxTokens: 5 }));
  const tokens: number[] = [];
  let steps = 0;
  for await (const event of quiet) {
    if (event.type !== "token") break;
    if (tokens.length === 0) ({ steps } = engine.stats());
    tokens.push(event.token);
  }
  expect(steps - before).toBeLessThanOrEqual(2);
  expect(tokens).toEqual(expected([1, 2, 3], 5, GREEDY));

  for (const { prompt, answer } of noisy) {
    expect((await answer).tokens).toEqual(expected(prompt, 40, GREEDY));
  }
  expect(engine.stats().preemptions).toBeGreaterThan(0);
  await engine.close();
});

test("a tenant gets blocks though another's fill the cache", async () => {
  const { engine } = createRig({ maxSequences: 8, blocks: 40, chunk: 32 });
  const noisy = Array.from({ length: 4 }, (_, i) =>
    collect(engine, request(long(35, i + 1), { maxTokens: 30, tenant: "noisy" })),
  );
  for (let i = 0; i < 8; i++) await turn();
  const before = engine.stats().steps;
  const prompt = long(30, 11);
  await collect(engine, request(prompt, { maxTokens: 1, tenant: "quiet" }));
  expect(engine.stats().steps - before).toBeLessThanOrEqual(4);
  await Promise.all(noisy);
  await engine.close();
});

test("L7: a short question waits for a few rows of another's long prompts, not for steps full of them", async () => {
  const chunk = 128;
  const rig = createRig({ maxRows: chunk, chunk, maxLogitRows: 32, blocks: 512, blockSize: 16 });
  const { engine, batches } = rig;
  const noisy = Array.from({ length: 6 }, (_, i) => {
    const prompt = Array.from({ length: 900 }, (_any, at) => (at * at * (i + 3)) % 50);
    return { prompt, answer: collect(engine, request(prompt, { maxTokens: 4, tenant: "noisy" })) };
  });
  for (let question = 0; question < 6; question++) {
    for (let i = 0; i < 9; i++) await turn();
    const before = batches.length;
    const prompt = long(96, 1001 + 2 * question);
    const tokens: number[] = [];
    let first = 0;
    for await (const event of engine.generate(request(prompt, { maxTokens: 3, tenant: "quiet" }))) {
      if (event.type !== "token") break;
      if (tokens.length === 0) first = batches.length;
      tokens.push(event.token);
    }
    expect(tokens).toEqual(expected(prompt, 3, GREEDY));
    const rows = batches.slice(before, first).map((batch) => batch.tokens.length);
    // Whoever comes for the first time finds a step of the usual length.
    if (question > 0) expect(Math.max(...rows.slice(0, -1))).toBeLessThanOrEqual(16 + 6);
    expect(rows.at(-1)).toBeLessThanOrEqual(96 + 6);
    expect(rows.length).toBeLessThanOrEqual(2);
  }
  for (const { prompt, answer } of noisy) {
    expect((await answer).tokens).toEqual(expected(prompt, 4, GREEDY));
  }
  await engine.close();
});

test("one tenant alone, however many others there once were, gets steps of the usual length", async () => {
  const { engine, batches } = createRig({
    maxRows: 128,
    chunk: 128,
    sharePrefixes: false,
    blocks: 80,
    blockSize: 16,
  });
  await collect(engine, request(long(20, 3), { maxTokens: 1, tenant: "quiet" }));
  const rowsOf = async (): Promise<number> => {
    const before = batches.length;
    await collect(engine, request(long(900, batches.length), { maxTokens: 1, tenant: "noisy" }));
    return Math.max(...batches.slice(before).map((batch) => batch.tokens.length));
  };
  expect(await rowsOf()).toBe(16);
  for (let i = 0; i < 112; i++) await rowsOf();
  expect(await rowsOf()).toBe(128);
  await engine.close();
});

test("a request ends with DEADLINE_EXCEEDED once its time is over, running or waiting", async () => {
  let clock = 0;
  const rig = createRig({ now: () => clock, maxSequences: 1 });
  rig.onRun = (): void => {
    clock += 10;
  };
  const seen: number[] = [];
  const running = (async () => {
    for await (const event of rig.engine.generate(
      request([1], { maxTokens: 500, deadlineMs: 55 }),
    )) {
      if (event.type === "token") seen.push(event.token);
    }
  })();
  const waiting = collect(rig.engine, request([2], { deadlineMs: 25 }));
  const late = expect.objectContaining({ code: "DEADLINE_EXCEEDED" });
  await expect(waiting).rejects.toEqual(late);
  expect(clock).toBeLessThanOrEqual(40);
  await expect(running).rejects.toEqual(late);
  expect(seen).toEqual(expected([1], 6, GREEDY));
  expect(rig.engine.stats()).toMatchObject({ running: 0, waiting: 0, kvBlocksUsed: 0 });
  await rig.engine.close();
});

test("a request that has waited too long is told to come back, one that has begun is not", async () => {
  let clock = 0;
  const rig = createRig({ now: () => clock, maxSequences: 1, maxWaitMs: 100 });
  rig.onRun = (): void => {
    clock += 10;
  };
  const running = collect(rig.engine, request([1], { maxTokens: 30 }));
  const waiting = collect(rig.engine, request([2]));
  await expect(waiting).rejects.toEqual(expect.objectContaining({ code: "QUEUE_FULL" }));
  expect(clock).toBeLessThanOrEqual(110);
  expect((await running).tokens.length).toBe(30);
  await rig.engine.close();
});

test("a tenant whose part of the queue is full is told when its own requests are done", async () => {
  let clock = 0;
  const rig = createRig({ now: () => clock, maxSequences: 1, maxWaiting: 11 });
  // A row a second.
  rig.onRun = (): void => {
    clock += 1000;
  };
  const { engine } = rig;
  await collect(engine, request([1], { maxTokens: 5, tenant: "noisy" }));
  /** Of eight requests at once, of which one runs and five wait, what the last one is told. */
  const told = async (): Promise<number> => {
    const asked = Array.from({ length: 8 }, (_, i) =>
      collect(engine, request([i], { maxTokens: 5, tenant: "noisy" })),
    );
    const last = (await Promise.allSettled(asked)).at(-1);
    const error: unknown = last?.status === "rejected" ? last.reason : undefined;
    if (!RuntimeError.is(error)) throw new Error("It was not refused");
    expect(error).toMatchObject({
      code: "QUEUE_FULL",
      message: expect.stringContaining("its part"),
    });
    return error.retryAfterSeconds ?? NaN;
  };
  const alone = await told();
  // Each takes its prompt of one token and an answer of five.
  expect(alone).toBeGreaterThan(20);
  expect(alone).toBeLessThan(50);
  // Another one takes half of the speed.
  const other = collect(engine, request([1], { tenant: "quiet", maxTokens: 200 }));
  await turn();
  expect(await told()).toBeGreaterThan(1.5 * alone);
  await other;
  await engine.close();
});

test("a priority or a deadline that makes no sense is refused", async () => {
  const { engine } = createRig();
  for (const more of [{ priority: 5 }, { priority: 0.5 }, { deadlineMs: 0 }, { deadlineMs: NaN }]) {
    await expect(collect(engine, request([1], more))).rejects.toEqual(
      expect.objectContaining({ code: "INVALID_REQUEST" }),
    );
  }
  await engine.close();
});
