import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { OutOfMemoryError, RuntimeError } from "../../../core/errors.ts";
import { GREEDY } from "../../../core/sampler/params.ts";
import { embeddingOf, expected, VOCAB } from "./memory-model.ts";
import { collect, createRig, request } from "./rig.ts";
import {
  askAll,
  breakAt,
  coded,
  constraint,
  failure,
  sampled,
  STREAMS,
  supervise,
  TEXT,
} from "./supervised-rig.ts";

describe("a supervised engine", () => {
  test("answers as the engine below does, and changes nothing while that lives", async () => {
    const { engine, rigs } = await supervise();
    const alone = createRig();
    expect(await askAll(engine)).toEqual(await askAll(alone.engine));
    expect(engine.stats().generatedTokens).toBe(alone.engine.stats().generatedTokens);
    expect(engine.condition()).toMatchObject({ state: "ready", degraded: false, moved: 0 });
    expect(rigs).toHaveLength(1);
    await alone.engine.close();
  });

  test("gives every request its own answer, in whichever step the engine breaks", async () => {
    const alone = createRig();
    const reference = await askAll(alone.engine);
    await alone.engine.close();
    let moved = 0;
    let step = 1;
    for (; ; step++) {
      const { engine, rigs, changes } = await supervise({
        prepare: (rig, n) => {
          if (n === 0) breakAt(rig, step);
        },
      });
      expect(await askAll(engine), `broken in step ${step}`).toEqual(reference);
      const condition = engine.condition();
      // By then all were answered.
      if (condition.broken.defect === 0) break;
      expect(condition).toMatchObject({ state: "ready", broken: { defect: 1 } });
      expect(changes.map(({ type }) => type)).toEqual(["broken", "replaced"]);
      ({ moved } = condition);
      if (step === 1) expect(moved).toBe(STREAMS.length + 2);
      expect(rigs).toHaveLength(2);
      expect(rigs[0]!.closed).toBe(1);
      // An answer's prompt is counted once, and each of its tokens.
      expect(engine.stats().generatedTokens).toBeGreaterThanOrEqual(
        reference.slice(0, 8).reduce<number>((sum, one) => {
          return sum + (one as { generatedTokens: number }).generatedTokens;
        }, 0),
      );
    }
    expect(step).toBeGreaterThan(12);
    // In the last of these steps most of them were over.
    expect(moved).toBeGreaterThan(0);
    expect(moved).toBeLessThan(STREAMS.length + 2);
  });

  test("loses no token and repeats none where readers are slow", async () => {
    const { engine, rigs } = await supervise();
    const tokens: number[] = [];
    let reads = 0;
    for await (const event of engine.generate(STREAMS[1]!)) {
      if (event.type === "token") tokens.push(event.token);
      if (++reads === 3) {
        // By now the engine is ahead of its reader: what waits is the reader's, the rest is computed again.
        await sleep(10);
        rigs[0]!.engine.abandon({ reason: "died", error: new RuntimeError("INTERNAL", "dead") });
      }
    }
    expect(tokens).toEqual(expected([4, 5], 12, sampled));
  });

  test("ends an answer that lacks nothing but its end", async () => {
    const { engine } = await supervise({ prepare: (rig, n) => void (n === 0 && breakAt(rig, 4)) });
    // Four steps: the prompt and three tokens; the fourth step would have been the one after the last token.
    const answer = await collect(engine, request([1, 2], { maxTokens: 3 }));
    expect(answer.tokens).toEqual(expected([1, 2], 3, GREEDY));
    const { engine: whole } = await supervise();
    const emitted = expected([1, 2], 3, GREEDY);
    const rest = await collect(whole, request([1, 2], { maxTokens: 3, emitted }));
    expect(rest).toMatchObject({ tokens: [], done: { reason: "length" } });
    expect(rest.done?.timings).toMatchObject({ promptTokens: 2, generatedTokens: 3 });
  });

  test("gives a request up when a second engine breaks, with what that broke of", async () => {
    const { engine } = await supervise({ prepare: (rig, n) => void (n < 2 && breakAt(rig, 3)) });
    const tokens: number[] = [];
    const asked = (async () => {
      for await (const event of engine.generate(STREAMS[1]!)) {
        if (event.type === "token") tokens.push(event.token);
      }
    })();
    expect(await failure(asked)).toEqual(coded("INTERNAL"));
    expect(tokens).toEqual(expected([4, 5], 12, sampled).slice(0, 4));
    expect(await failure(engine.embed({ tokens: TEXT, pooling: "mean" }))).toBeUndefined();
  });

  test("tells memory that is used up from other breakages", async () => {
    const cause = new OutOfMemoryError("no room for scratch");
    const { engine } = await supervise({ prepare: (rig) => breakAt(rig, 1, cause) });
    expect(await failure(collect(engine, STREAMS[0]!))).toEqual(coded("INSUFFICIENT_RESOURCES"));
    expect(engine.condition().broken).toMatchObject({ memory: 2, defect: 0 });
  });

  test("leaves a request's own errors alone", async () => {
    const { engine, contexts } = await supervise({ contextLength: 20 });
    const aborted = AbortSignal.abort();
    for (const [asked, code] of [
      [request([]), "INVALID_REQUEST"],
      [request([1], { emitted: [VOCAB] }), "INVALID_REQUEST"],
      [request([1], { maxTokens: 2, emitted: [1, 2, 3] }), "INVALID_REQUEST"],
      [request([1], { emitted: [25], constraint }), "INVALID_REQUEST"],
      [request(Array.from({ length: 20 }, () => 1)), "CONTEXT_LENGTH_EXCEEDED"],
      [request([1], { signal: aborted }), "ABORTED"],
    ] as const) {
      expect(await failure(collect(engine, asked))).toEqual(coded(code));
    }
    expect(contexts).toHaveLength(1);
  });

  test.for([
    ["memory", { stallMs: 60, gpuStallMs: 1e6 }],
    ["webgpu", { stallMs: 1, gpuStallMs: 60 }],
  ] as const)("gives up an engine on %s that hangs", async ([backend, limits]) => {
    const { engine } = await supervise({
      limits: { ...limits, lookMs: 10 },
      backend: () => backend,
      prepare: (rig, n) => {
        let steps = 0;
        if (n === 0) rig.onRun = () => (++steps === 5 ? new Promise(() => {}) : sleep(3));
      },
    });
    const answer = await collect(engine, STREAMS[1]!);
    expect(answer.tokens).toEqual(expected([4, 5], 12, sampled));
    expect(engine.condition().broken).toMatchObject({ stalled: 1 });
  });

  test("opens another where one breaks while nothing is asked of it", async () => {
    const { engine, rigs, changes } = await supervise();
    const error = new RuntimeError("INTERNAL", "the device is gone");
    rigs[0]!.engine.abandon({ reason: "device", error });
    await sleep(10);
    expect(changes).toEqual([
      { type: "broken", reason: "device", error },
      expect.objectContaining({ type: "replaced", backend: "memory", degraded: false }),
    ]);
    expect(await engine.embed({ tokens: TEXT, pooling: "last" })).toEqual(
      embeddingOf(TEXT, "last"),
    );
  });

  test("does without a GPU after three losses of one", async () => {
    const { engine, contexts } = await supervise({
      backend: ({ degraded }) => (degraded ? "wasm-simd128" : "webgpu"),
      prepare: (rig, n) => void (n < 3 && breakAt(rig, 2, new Error("The GPU was lost"))),
    });
    for (let i = 0; i < 3; i++) await failure(collect(engine, STREAMS[0]!));
    expect(contexts.map(({ degraded }) => degraded)).toEqual([false, false, false, true]);
    expect(engine.info.backend).toBe("wasm-simd128");
    expect(engine.condition()).toMatchObject({ degraded: true, broken: { defect: 3 } });
    expect((await collect(engine, STREAMS[0]!)).tokens).toEqual(expected([1, 2, 3], 12, GREEDY));
  });

  test("opens no further one in a storm, and says so", async () => {
    const { engine, contexts, changes } = await supervise({
      limits: { breakages: 3 },
      prepare: (rig) => breakAt(rig, 1),
    });
    for (let i = 0; i < 3; i++) await failure(collect(engine, STREAMS[0]!));
    expect(await engine.gone).toEqual(coded("INTERNAL"));
    expect(contexts).toHaveLength(3);
    expect(changes.at(-1)).toMatchObject({ type: "given_up" });
    expect(engine.condition().state).toBe("gone");
    expect(await failure(collect(engine, STREAMS[0]!))).toEqual(coded("NOT_READY"));
    await sleep(5);
    expect(engine.stats().stalledMs).toBeGreaterThan(0);
  });

  test("tries again where an engine cannot be opened, and counts that", async () => {
    const { engine, changes } = await supervise({
      prepare: (rig, n) => {
        if (n === 0) breakAt(rig, 2);
        if (n === 1 || n === 2) throw new RuntimeError("INSUFFICIENT_RESOURCES", "no room");
      },
    });
    expect((await collect(engine, STREAMS[0]!)).tokens).toEqual(expected([1, 2, 3], 12, GREEDY));
    const seen = changes.map((change) =>
      change.type === "not_opened" ? change.delayMs : change.type,
    );
    expect(seen).toEqual(["broken", 1, 2, "replaced"]);
  });

  test("counts one that takes too long to open as failed, and discards it when it comes", async () => {
    const { engine, rigs } = await supervise({
      limits: { openMs: 30, openFactor: 0 },
      prepare: async (rig, n) => {
        if (n === 0) breakAt(rig, 2);
        if (n === 1) await sleep(60);
      },
    });
    expect((await collect(engine, STREAMS[0]!)).tokens).toEqual(expected([1, 2, 3], 12, GREEDY));
    await sleep(50);
    expect(rigs.map(({ closed }) => closed).toSorted((a, b) => a - b)).toEqual([0, 1, 1]);
  });
});

test("what an engine had let in finds room in the next one, before all that is new", async () => {
  const { engine, rigs } = await supervise({
    maxSequences: 2,
    maxWaiting: 2,
    maxWaitingTokens: 8,
    prepare: (rig, n) => void (n === 0 && (rig.onRun = () => sleep(5))),
  });
  const ask = (token: number) => collect(engine, request([token, 1, 1]));
  const asked = [ask(1), ask(2)];
  await sleep(12);
  asked.push(ask(3), ask(4));
  expect(engine.stats()).toMatchObject({ running: 2, waiting: 2 });
  rigs[0]!.engine.abandon({ reason: "died", error: new RuntimeError("INTERNAL", "dead") });
  const refused = failure(ask(5));
  const answers = await Promise.all(asked);
  expect(answers.map(({ tokens }) => tokens)).toEqual(
    [1, 2, 3, 4].map((token) => expected([token, 1, 1], 10, GREEDY)),
  );
  expect(await refused).toEqual(coded("QUEUE_FULL"));
});

test("an answer that moved tells its times as one", async () => {
  const { engine } = await supervise({ prepare: (rig, n) => void (n === 0 && breakAt(rig, 4)) });
  const begin = performance.now();
  const { done } = await collect(engine, STREAMS[0]!);
  const all = performance.now() - begin;
  const { queueMs, prefillMs, decodeMs, ...counts } = done!.timings;
  expect(Math.min(queueMs, prefillMs, decodeMs)).toBeGreaterThanOrEqual(0);
  expect(queueMs + prefillMs + decodeMs).toBeLessThanOrEqual(all);
  expect(decodeMs).toBeGreaterThan(0);
  expect(counts).toMatchObject({ promptTokens: 3, generatedTokens: 12 });
});
