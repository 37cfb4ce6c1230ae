import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import type { Engine, GenerateRequest } from "../../../core/engine/engine.ts";
import type { EngineChange, OpenContext } from "../../../core/engine/engine-succession.ts";
import {
  superviseEngine,
  type SupervisedEngine,
  type SupervisionLimits,
} from "../../../core/engine/supervised.ts";
import { OutOfMemoryError, RuntimeError } from "../../../core/errors.ts";
import { compileFormat } from "../../../core/grammar/compile.ts";
import { tokenBytes } from "../../../core/grammar/vocabulary.ts";
import { GREEDY } from "../../../core/sampler/params.ts";
import { pieceTokenizer } from "../../fixtures/scripted-engine.ts";
import { embeddingOf, expected, VOCAB } from "./memory-model.ts";
import { type Answer, collect, createRig, request, type Rig, type RigOptions } from "./rig.ts";

/** Tokens of the memory model as texts: letters, then nothing. */
const vocabulary = tokenBytes(
  pieceTokenizer(
    Array.from({ length: VOCAB }, (_, token) =>
      new TextEncoder().encode(token < 26 ? String.fromCodePoint(97 + token) : ""),
    ),
  ),
);
const constraint = {
  grammar: compileFormat({ type: "regex", pattern: "([a-f]{2}x)*" }, "format"),
  vocabulary,
  blank: false,
};
const sampled = { ...GREEDY, temperature: 1.2, seed: 7 };

/** Eight streams, one of each kind. */
const STREAMS: readonly GenerateRequest[] = [
  request([1, 2, 3], { maxTokens: 12 }),
  request([4, 5], { maxTokens: 12, sampling: sampled }),
  request([6, 7], { maxTokens: 12, sampling: { ...sampled, seed: 3 }, constraint }),
  request([8, 9], { maxTokens: 12, sampling: sampled, logprobs: 3 }),
  request([1, 2, 9], { maxTokens: 40, stopTokens: [3, 7, 11, 30, 31, 32] }),
  request([3], { maxTokens: 12, sampling: { ...sampled, repeatPenalty: 1.5, repeatLastN: 4 } }),
  request([5, 5], { maxTokens: 12, sampling: { ...sampled, topK: 5, topP: 0.9 }, logprobs: 0 }),
  request(
    Array.from({ length: 40 }, (_, i) => i),
    { maxTokens: 12, tenant: "t", priority: 1 },
  ),
];
const TEXT = [3, 1, 4, 1, 5];

interface Supervised {
  readonly engine: SupervisedEngine;
  /** The rigs that were opened, and how. */
  readonly rigs: Rig[];
  readonly contexts: OpenContext[];
  readonly changes: EngineChange[];
}

const running: SupervisedEngine[] = [];
afterEach(async () => {
  for (const engine of running.splice(0)) await engine.close();
});

interface Opening extends RigOptions {
  /** Prepare the n-th rig; may throw or wait instead of opening it. */
  readonly prepare?: (rig: Rig, n: number) => void | Promise<void>;
  readonly limits?: Partial<SupervisionLimits>;
  /** Name of the backend. */
  readonly backend?: (context: OpenContext) => string;
}

async function supervise({
  prepare,
  limits,
  backend,
  ...options
}: Opening = {}): Promise<Supervised> {
  const rigs: Rig[] = [];
  const contexts: OpenContext[] = [];
  const changes: EngineChange[] = [];
  const engine = await superviseEngine({
    async open(context) {
      contexts.push(context);
      const rig = createRig(options);
      await prepare?.(rig, contexts.length - 1);
      rigs.push(rig);
      const info = { ...rig.engine.info, backend: backend?.(context) ?? "memory" };
      const named = Object.assign(Object.create(rig.engine) as typeof rig.engine, { info });
      const close = () => rig.engine.close();
      return { engine: named, close, discard: close };
    },
    onChange: (change) => changes.push(change),
    limits: { firstDelayMs: 1, ...limits },
  });
  running.push(engine);
  return { engine, rigs, contexts, changes };
}

/** Have a rig break in its n-th step from now. */
function breakAt(rig: Rig, step: number, cause: Error = new Error("a step failed")): void {
  let left = step;
  rig.onRun = () => {
    if (--left === 0) throw cause;
  };
}

async function askAll(engine: Engine): Promise<readonly unknown[]> {
  const answers = STREAMS.map((stream) => collect(engine, stream).then(withoutTimes));
  const embedded = engine.embed({ tokens: TEXT, pooling: "mean" });
  const scores = engine.score({ tokens: TEXT, from: 1 });
  return Promise.all([...answers, embedded, scores]);
}

/** All of an answer that does not depend on how fast it was. */
function withoutTimes({ events, done }: Answer): unknown {
  const { promptTokens, generatedTokens } = done!.timings;
  const plain = events.map(({ token, logprob, top }) => ({ token, logprob, top }));
  return { events: plain, reason: done!.reason, promptTokens, generatedTokens };
}

const failure = async (answer: Promise<unknown>): Promise<unknown> =>
  answer.then(
    () => undefined,
    (error: unknown) => error,
  );

const coded = (code: string): unknown => expect.objectContaining({ name: "RuntimeError", code });

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

  test("gives up an engine that hangs", async () => {
    const { engine } = await supervise({
      limits: { stallMs: 60, lookMs: 10 },
      prepare: (rig, n) => {
        let steps = 0;
        if (n === 0) rig.onRun = () => (++steps === 5 ? new Promise(() => {}) : undefined);
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
    expect(rigs.map(({ closed }) => closed).toSorted()).toEqual([0, 1, 1]);
  });
});

describe("while there is no engine", () => {
  /** A supervised engine whose first engine is broken and whose second one comes when `come` is called. */
  async function without(limits: Partial<SupervisionLimits> = {}) {
    let come: () => void = () => {};
    const coming = new Promise<void>((resolve) => (come = resolve));
    const supervised = await supervise({
      limits,
      prepare: (_, n) => (n === 1 ? coming : undefined),
    });
    supervised.rigs[0]!.engine.abandon({
      reason: "died",
      error: new RuntimeError("INTERNAL", "dead"),
    });
    await sleep(1);
    expect(supervised.engine.condition().state).toBe("opening");
    return { ...supervised, come };
  }

  test("requests wait, and liveness sees nothing amiss", async () => {
    const { engine, come } = await without();
    const answers = askAll(engine);
    await sleep(20);
    expect(engine.stats()).toMatchObject({ running: 0, waiting: 10, stalledMs: 0 });
    come();
    const alone = createRig();
    expect(await answers).toEqual(await askAll(alone.engine));
    await alone.engine.close();
    expect(engine.condition()).toMatchObject({ state: "ready", moved: 0 });
  });

  test("they wait no longer than is theirs", async () => {
    const { engine, come } = await without({ waitMs: 40, maxWaiting: 3 });
    const signal = AbortSignal.timeout(10);
    const [left, late, tired, refused] = await Promise.all(
      [{ signal }, { deadlineMs: 20 }, {}, {}].map((more) =>
        failure(collect(engine, request([1], more))),
      ),
    );
    expect([left, late, tired, refused]).toEqual(
      ["ABORTED", "DEADLINE_EXCEEDED", "MODEL_LOADING", "QUEUE_FULL"].map(coded),
    );
    expect(engine.stats().waiting).toBe(0);
    come();
  });

  test("who leaves is not waited for, and closing ends all", async () => {
    const { engine, rigs, come } = await without();
    const events = engine.generate(STREAMS[0]!)[Symbol.asyncIterator]();
    const next = events.next();
    await events.return!();
    expect(await next).toEqual({ done: true, value: undefined });
    const asked = failure(collect(engine, STREAMS[0]!));
    const closed = engine.close();
    expect(await asked).toEqual(coded("NOT_READY"));
    come();
    await closed;
    // What came too late was closed as well.
    expect(rigs.map((rig) => rig.closed)).toEqual([1, 1]);
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
