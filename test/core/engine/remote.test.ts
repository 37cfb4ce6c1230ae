import { afterEach, describe, expect, test } from "vitest";
import { hostEngine, type HostedEngine } from "../../../core/engine/host.ts";
import { type RemoteEngine, connectEngine } from "../../../core/engine/remote.ts";
import type { Report } from "../../../core/engine/wire.ts";
import { RuntimeError } from "../../../core/errors.ts";
import { GREEDY } from "../../../core/sampler/params.ts";
import { expected } from "./memory-model.ts";
import { type Rig, type RigOptions, collect, createRig, request, turn } from "./rig.ts";

interface Pair extends Rig {
  readonly remote: RemoteEngine;
  readonly reports: Report[];
  readonly ports: MessageChannel;
}

const open: MessageChannel[] = [];

afterEach(() => {
  for (const { port1, port2 } of open.splice(0)) {
    port1.close();
    port2.close();
  }
});

function channel(): MessageChannel {
  const ports = new MessageChannel();
  open.push(ports);
  return ports;
}

/** A rig, hosted at one end of a real channel and connected to at the other. */
async function createPair(options: RigOptions = {}): Promise<Pair> {
  const rig = createRig(options);
  const ports = channel();
  hostEngine(rig.engine, ports.port1);
  const reports: Report[] = [];
  ports.port2.addEventListener("message", ({ data }) => reports.push(data as Report));
  const remote = await connectEngine(ports.port2);
  return Object.assign(rig, { remote, reports, ports });
}

async function until(holds: () => boolean): Promise<void> {
  // By the clock: a quiet machine takes thousands of turns in the time of one step.
  const end = performance.now() + 5000;
  while (!holds() && performance.now() < end) await turn();
  expect(holds()).toBe(true);
}

function coded(code: string, more: object = {}): unknown {
  return expect.objectContaining({ name: "RuntimeError", code, ...more });
}

/** An engine that only fails. */
function failing(thrown: unknown): HostedEngine {
  const { engine } = createRig();
  const reject = (): Promise<never> => Promise.reject(thrown);
  return {
    ...engine,
    generate: () => ({ [Symbol.asyncIterator]: () => ({ next: reject }) }),
    score: reject,
    embed: reject,
  };
}

describe("an engine behind a port", () => {
  test("answers as the engine itself does, done event and all", async () => {
    const { engine, remote } = await createPair();
    expect(remote.info).toEqual(engine.info);
    const prompts = [[1, 2, 3], [4], [5, 6]];
    const answers = await Promise.all(
      prompts.map((prompt) => collect(remote, request(prompt, { logprobs: 2 }))),
    );
    for (const [i, answer] of answers.entries()) {
      expect(answer.tokens).toEqual(expected(prompts[i]!, 10, GREEDY));
      expect(answer.events[0]?.top?.length).toBe(2);
      expect(answer.done).toMatchObject({
        reason: "length",
        timings: { promptTokens: prompts[i]!.length, generatedTokens: 10 },
      });
    }
    const scores = await remote.score({ tokens: [1, 2, 3], from: 1 });
    expect(scores).toEqual(await engine.score({ tokens: [1, 2, 3], from: 1 }));
    const text = { tokens: [1, 2, 3], pooling: "mean" } as const;
    expect(await remote.embed(text)).toEqual(await engine.embed(text));
    await remote.close();
  });

  test("sends what happened in one step as one message", async () => {
    const { remote, reports } = await createPair();
    await Promise.all([1, 2, 3, 4].map((token) => collect(remote, request([token]))));
    const sizes = reports.flatMap((r) => (r.type === "step" ? [r.outcomes.length] : []));
    expect(sizes.reduce((a, b) => a + b, 0)).toBe(44);
    // Four requests may reach the host in two turns; after that, four tokens are one message.
    expect(sizes.filter((n) => n > 0).length).toBeLessThanOrEqual(14);
    await remote.close();
  });

  test("frees the slot there when the signal here is aborted, running or waiting", async () => {
    const { engine, remote } = await createPair({ maxSequences: 1 });
    const controllers = [new AbortController(), new AbortController()];
    const answers = controllers.map(({ signal }, i) =>
      collect(remote, request([i], { maxTokens: 200, signal })).catch((e: unknown) => e),
    );
    const scores = remote
      .score({ tokens: [1, 2], from: 1, signal: controllers[1]!.signal })
      .catch((e: unknown) => e);
    await until(() => engine.stats().running === 1 && engine.stats().waiting === 2);
    for (const controller of controllers) controller.abort();
    expect(await Promise.all([...answers, scores])).toEqual([
      coded("ABORTED"),
      coded("ABORTED"),
      coded("ABORTED"),
    ]);
    await until(() => engine.stats().running + engine.stats().waiting === 0);
    expect(engine.stats().kvBlocksUsed).toBe(0);
    await expect(collect(remote, request([1], { signal: AbortSignal.abort() }))).rejects.toEqual(
      coded("ABORTED"),
    );
    await remote.close();
  });

  test("frees the slot there when the loop here is left early", async () => {
    const { engine, remote } = await createPair();
    for await (const event of remote.generate(request([1], { maxTokens: 200 }))) {
      if (event.type === "token") break;
    }
    await until(() => engine.stats().running === 0);
    expect(engine.stats().generatedTokens).toBeLessThan(200);
    await remote.close();
  });

  test("refuses what is beyond the queue at once, in the middle of a step of the host", async () => {
    const { engine, remote, reports } = await createPair({ maxSequences: 1, maxWaiting: 2 });
    expect(engine.info.maxRequests).toBe(3);
    const leaving = new AbortController();
    const { signal } = leaving;
    const answers = [1, 2, 3].map((token) =>
      collect(remote, request([token], { maxTokens: 50, signal })).catch((e: unknown) => e),
    );
    const heard = reports.length;
    // Nobody else has had a turn: the host has not even heard of the first.
    for (const refused of [
      collect(remote, request([4], { maxTokens: 1 })),
      remote.score({ tokens: [1, 2], from: 1 }),
    ]) {
      await expect(refused).rejects.toEqual(coded("QUEUE_FULL"));
    }
    expect(reports.length).toBe(heard);
    // Whoever was let in before an engine broke has its place.
    const moved = collect(remote, request([5], { maxTokens: 1, admitted: true }));
    leaving.abort();
    await Promise.all(answers);
    expect((await moved).tokens).toHaveLength(1);
    // Those that left make room at once.
    await collect(remote, request([6], { maxTokens: 1 }));
    await remote.close();
  });

  test("hands errors over with code, message and param, as RuntimeErrors", async () => {
    const error = new RuntimeError("QUEUE_FULL", "Cannot queue: full", { param: "messages[0]" });
    const ports = channel();
    hostEngine(failing(error), ports.port1);
    const remote = await connectEngine(ports.port2);
    const expectedError = coded("QUEUE_FULL", { message: error.message, param: "messages[0]" });
    const caught: unknown = await collect(remote, request([1])).catch((e: unknown) => e);
    expect(caught).toEqual(expectedError);
    expect(RuntimeError.is(caught)).toBe(true);
    await expect(remote.score({ tokens: [1], from: 1 })).rejects.toEqual(expectedError);
  });

  test("hands a stray error over as INTERNAL", async () => {
    const ports = channel();
    hostEngine(failing(new TypeError("oops")), ports.port1);
    const remote = await connectEngine(ports.port2);
    await expect(collect(remote, request([1]))).rejects.toEqual(
      coded("INTERNAL", { message: "oops" }),
    );
  });

  test("has statistics without asking, and knows that an answer is due before the host does", async () => {
    const { engine, remote } = await createPair();
    expect(remote.stats()).toEqual(engine.stats());
    await collect(remote, request([1, 2, 3]));
    expect(remote.stats()).toEqual(engine.stats());
    expect(remote.stats()).toMatchObject({ generatedTokens: 10, promptTokens: 3, stalledMs: 0 });

    const pending = collect(remote, request([1]));
    const from = performance.now();
    while (performance.now() - from < 5);
    expect(remote.stats().stalledMs).toBeGreaterThanOrEqual(4);
    await pending;
    expect(remote.stats().stalledMs).toBe(0);
    await remote.close();
  });

  test("reports progress in the middle of a long prompt", async () => {
    const rig = await createPair({ chunk: 1 });
    rig.onRun = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));
    const answer = collect(
      rig.remote,
      request(
        Array.from({ length: 25 }, () => 1),
        { maxTokens: 1 },
      ),
    );
    await until(() => rig.engine.stats().steps > 0);
    const from = performance.now();
    while (rig.remote.stats().steps === 0 && performance.now() - from < 400) await turn();
    const { steps, generatedTokens } = rig.remote.stats();
    expect(steps).toBeGreaterThan(0);
    expect(generatedTokens).toBe(0);
    rig.onRun = undefined;
    await answer;
    await rig.remote.close();
  });

  test("close closes the engine there, ends requests with NOT_READY and is idempotent", async () => {
    const rig = await createPair();
    const answer = collect(rig.remote, request([1], { maxTokens: 200 })).catch((e: unknown) => e);
    await until(() => rig.engine.stats().steps > 0);
    await Promise.all([rig.remote.close(), rig.remote.close()]);
    expect(await answer).toEqual(coded("NOT_READY"));
    expect(rig.closed).toBe(1);
    await expect(collect(rig.remote, request([1]))).rejects.toEqual(coded("NOT_READY"));
  });
});

describe("when the other side says that it is closed", () => {
  test("requests whose end was not told before end with NOT_READY", async () => {
    const ports = channel();
    const { engine } = createRig();
    // Says that it is closed, and never what became of its requests.
    const silent: HostedEngine = {
      ...engine,
      generate: () => ({ [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }) }),
    };
    hostEngine(silent, ports.port1);
    const remote = await connectEngine(ports.port2);
    const answer = collect(remote, request([1])).catch((e: unknown) => e);
    await remote.close();
    expect(await answer).toEqual(coded("NOT_READY"));
  });
});

describe("when the other side is gone", () => {
  test("abandon ends all requests with its error and later ones with NOT_READY", async () => {
    const rig = await createPair();
    rig.onRun = (): Promise<void> => new Promise(() => {});
    const work = [
      collect(rig.remote, request([1])).catch((e: unknown) => e),
      rig.remote.score({ tokens: [1, 2], from: 1 }).catch((e: unknown) => e),
    ];
    await turn();
    rig.remote.abandon({ reason: "died", error: new RuntimeError("INTERNAL", "the worker died") });
    const died = coded("INTERNAL", { message: "the worker died" });
    expect(await Promise.all(work)).toEqual([died, died]);
    await expect(collect(rig.remote, request([1]))).rejects.toEqual(coded("NOT_READY"));
    await turn();
    expect(rig.remote.stats().stalledMs).toBeGreaterThan(0);
    await rig.remote.close();
  });

  test("an engine that broke down there is seen to make no progress here", async () => {
    const rig = await createPair();
    rig.onRun = (): never => {
      throw new Error("device lost");
    };
    const answer = collect(rig.remote, request([1])).catch((error: unknown) => {
      // Whoever sees the request fail can tell at once that the engine was at fault.
      expect(rig.remote.breakage).toEqual({ reason: "defect", error });
      return error;
    });
    expect(await answer).toEqual(coded("INTERNAL"));
    expect(await rig.remote.broken).toBe(rig.remote.breakage);
    await turn();
    expect(rig.engine.stats().stalledMs).toBeGreaterThan(0);
    expect(rig.remote.stats().stalledMs).toBeGreaterThan(0);
    await rig.remote.close();
  });

  test("an engine that breaks while nothing is asked of it is known to be broken here", async () => {
    const rig = await createPair();
    const error = new RuntimeError("INTERNAL", "the device is gone");
    rig.engine.abandon({ reason: "device", error });
    expect(await rig.remote.broken).toMatchObject({ reason: "device", error: coded("INTERNAL") });
    await rig.remote.close();
    expect(rig.closed).toBe(1);
  });

  test("abandon also ends a close that waits", async () => {
    const rig = await createPair();
    rig.onRun = (): Promise<void> => new Promise(() => {});
    const answer = collect(rig.remote, request([1])).catch((e: unknown) => e);
    await until(() => rig.engine.stats().running === 1);
    const closed = rig.remote.close();
    rig.remote.abandon({ reason: "died", error: new RuntimeError("INTERNAL", "the worker died") });
    await closed;
    expect(await answer).toEqual(coded("INTERNAL"));
  });

  test("a closed port ends requests here and aborts them there", async () => {
    const rig = await createPair();
    const answer = collect(rig.remote, request([1], { maxTokens: 200 })).catch((e: unknown) => e);
    await until(() => rig.engine.stats().running === 1);
    rig.ports.port2.close();
    expect(await answer).toEqual(coded("INTERNAL"));
    await until(() => rig.engine.stats().running === 0);
    await rig.engine.close();
  });

  test("connectEngine rejects where the port closes before hello", async () => {
    const ports = channel();
    const remote = connectEngine(ports.port2);
    ports.port1.close();
    await expect(remote).rejects.toEqual(coded("INTERNAL"));
  });
});
