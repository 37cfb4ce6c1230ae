import { EventEmitter, getEventListeners, once } from "node:events";
import { describe, expect, test } from "vitest";
import { RuntimeError } from "../../../core/errors.ts";
import { GREEDY, type SamplingParams } from "../../../core/sampler/params.ts";
import { VOCAB, expected, logitsAfter } from "./memory-model.ts";
import { collect, createRig, request, turn } from "./rig.ts";

const SAMPLED: SamplingParams = {
  ...GREEDY,
  temperature: 1.1,
  topK: 20,
  topP: 0.9,
  repeatPenalty: 1.2,
  repeatLastN: -1,
  seed: 77,
};

const PROMPTS = [
  [1, 2, 3, 4, 5, 6, 7],
  [9, 8, 7],
  [11],
  [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8, 4, 6],
  [0, 0],
  [40, 41, 42, 43],
  [5, 5, 5, 5, 5],
  [30, 20, 10],
];

function coded(code: string): unknown {
  return expect.objectContaining({ name: "RuntimeError", code });
}

describe("a prompt gets the tokens that it gets alone", () => {
  for (const sampling of [GREEDY, SAMPLED]) {
    const kind = sampling === GREEDY ? "greedy" : "sampled";
    const alone = PROMPTS.map((prompt) => expected(prompt, 16, sampling));

    for (const chunk of [1, 7, 64]) {
      test(`${kind}, in a batch of 8 with chunks of ${chunk}`, async () => {
        const { engine } = createRig({ chunk });
        const answers = await Promise.all(
          PROMPTS.map((prompt) => collect(engine, request(prompt, { maxTokens: 16, sampling }))),
        );
        expect(answers.map((a) => a.tokens)).toEqual(alone);
        expect(engine.stats().kvBlocksUsed).toBe(0);
        await engine.close();
      });
    }

    test(`${kind}, through preemption in a cache too small for all`, async () => {
      const { engine } = createRig({ blocks: 12 });
      const answers = await Promise.all(
        PROMPTS.map((prompt) => collect(engine, request(prompt, { maxTokens: 16, sampling }))),
      );
      expect(answers.map((a) => a.tokens)).toEqual(alone);
      const stats = engine.stats();
      expect(stats.preemptions).toBeGreaterThan(0);
      expect(answers.reduce((sum, a) => sum + (a.done?.timings.preemptions ?? 0), 0)).toBe(
        stats.preemptions,
      );
      expect(stats.kvBlocksUsed).toBe(0);
      await engine.close();
    });
  }
});

describe("generate", () => {
  test("ends with done and the reason, leaving the stop token out", async () => {
    const { engine } = createRig();
    const all = expected([1, 2, 3], 10, GREEDY);
    const stop = all.find((token, i) => i > 1 && all.indexOf(token) === i)!;
    const at = all.indexOf(stop);
    const stopped = await collect(engine, request([1, 2, 3], { stopTokens: [stop] }));
    expect(stopped.tokens).toEqual(all.slice(0, at));
    expect(stopped.done).toMatchObject({
      reason: "stop",
      timings: { promptTokens: 3, generatedTokens: at, preemptions: 0 },
    });
    const full = await collect(engine, request([1, 2, 3]));
    expect(full.tokens).toEqual(all);
    expect(full.done?.reason).toBe("length");
    await engine.close();
  });

  test("ends with length where the context ends first", async () => {
    const { engine } = createRig({ contextLength: 8 });
    const answer = await collect(engine, request([1, 2, 3], { maxTokens: 100 }));
    expect(answer.tokens).toEqual(expected([1, 2, 3], 5, GREEDY));
    expect(answer.done?.reason).toBe("length");
    expect(engine.info.contextLength).toBe(8);
    await engine.close();
  });

  test("reports log-probabilities from before penalties and truncation", async () => {
    const { engine } = createRig();
    const prompt = [4, 4, 4];
    const sampling = { ...SAMPLED, presencePenalty: 1 };
    const { events, tokens } = await collect(engine, request(prompt, { sampling, logprobs: 3 }));
    expect(tokens).toEqual(expected(prompt, 10, sampling));
    for (const [i, event] of events.entries()) {
      const logits = [...logitsAfter([...prompt, ...tokens.slice(0, i)])];
      const mass = Math.log(logits.reduce((sum, l) => sum + Math.exp(l), 0));
      expect(event.logprob).toBeCloseTo(logits[event.token]! - mass, 10);
      const best = logits.toSorted((a, b) => b - a).slice(0, 3);
      expect(event.top?.map((t) => logits[t.token])).toEqual(best);
      expect(event.top?.[0]?.logprob).toBeCloseTo(best[0]! - mass, 10);
    }
    const { events: plain } = await collect(engine, request(prompt));
    expect(plain[0]).toEqual({ type: "token", token: plain[0]?.token });
    await engine.close();
  });

  test("refuses what it cannot compute, each with its code", async () => {
    const { engine } = createRig({ contextLength: 8 });
    const refused = async (more: object): Promise<unknown> =>
      collect(engine, { ...request([1]), ...more }).catch((error: unknown) => error);
    expect(await refused({ tokens: [] })).toEqual(coded("INVALID_REQUEST"));
    for (const token of [-1, VOCAB, 0.5, NaN]) {
      expect(await refused({ tokens: [token] })).toEqual(coded("INVALID_REQUEST"));
    }
    expect(await refused({ maxTokens: 0 })).toEqual(coded("INVALID_REQUEST"));
    expect(await refused({ logprobs: VOCAB + 1 })).toEqual(coded("INVALID_REQUEST"));
    expect(await refused({ tokens: [1, 1, 1, 1, 1, 1, 1, 1] })).toEqual(
      coded("CONTEXT_LENGTH_EXCEEDED"),
    );
    expect(await refused({ signal: AbortSignal.abort() })).toEqual(coded("ABORTED"));
    expect(engine.stats()).toMatchObject({ running: 0, waiting: 0, steps: 0 });
    await engine.close();
  });

  test("refuses with QUEUE_FULL beyond maxSequences + maxWaiting, and takes requests again later", async () => {
    const { engine } = createRig({ maxSequences: 2, maxWaiting: 1 });
    const running = [1, 2, 3].map((token) => collect(engine, request([token])));
    await expect(collect(engine, request([4]))).rejects.toEqual(coded("QUEUE_FULL"));
    await Promise.all(running);
    await expect(collect(engine, request([4]))).resolves.toMatchObject({
      done: { reason: "length" },
    });
    await engine.close();
  });

  test("an aborted signal frees the slot at once and throws ABORTED, running or waiting", async () => {
    const { engine } = createRig({ maxSequences: 1 });
    const controllers = [new AbortController(), new AbortController()];
    const answers = controllers.map(({ signal }, i) =>
      collect(engine, request([i + 1], { maxTokens: 900, signal })).catch((e: unknown) => e),
    );
    while (engine.stats().steps < 3) await turn();
    expect(engine.stats()).toMatchObject({ running: 1, waiting: 1 });
    controllers[1]!.abort();
    expect(engine.stats()).toMatchObject({ running: 1, waiting: 0 });
    controllers[0]!.abort();
    expect(engine.stats()).toMatchObject({ running: 0, kvBlocksUsed: 0, stalledMs: 0 });
    expect(await Promise.all(answers)).toEqual([coded("ABORTED"), coded("ABORTED")]);
    await engine.close();
  });

  test("leaving the loop early frees the slot, also while a token is awaited", async () => {
    const { engine } = createRig();
    for await (const event of engine.generate(request([1], { maxTokens: 900 }))) {
      if (event.type === "token") break;
    }
    expect(engine.stats()).toMatchObject({ running: 0, kvBlocksUsed: 0 });

    const iterator = engine.generate(request([2]))[Symbol.asyncIterator]();
    const pending = iterator.next();
    await iterator.return?.();
    expect(await pending).toEqual({ done: true, value: undefined });
    expect(engine.stats()).toMatchObject({ running: 0, waiting: 0 });
    await engine.close();
  });

  test("leaves no listener on a signal that outlives it", async () => {
    const { engine } = createRig();
    const { signal } = new AbortController();
    await collect(engine, request([1], { signal }));
    await engine.score({ tokens: [1, 2], from: 1, signal });
    expect(getEventListeners(signal, "abort")).toEqual([]);
    await engine.close();
  });

  test("an abort while a step is computed wastes no token and harms nobody", async () => {
    const rig = createRig();
    const controller = new AbortController();
    const other = collect(rig.engine, request([5, 6]));
    const gone = collect(rig.engine, request([7, 8], { signal: controller.signal }));
    rig.onRun = (): void => {
      if (rig.batches.length === 3) controller.abort();
    };
    await expect(gone).rejects.toEqual(coded("ABORTED"));
    expect((await other).tokens).toEqual(expected([5, 6], 10, GREEDY));
    expect(rig.engine.stats().kvBlocksUsed).toBe(0);
    await rig.engine.close();
  });

  test("measures queue, prefill and decode with the engine's clock", async () => {
    let clock = 1000;
    const rig = createRig({ now: () => clock, chunk: 2, maxSequences: 1 });
    rig.onRun = (): void => {
      clock += 10;
    };
    const first = collect(rig.engine, request([1, 2, 3, 4, 5], { maxTokens: 4 }));
    const second = collect(rig.engine, request([1], { maxTokens: 1 }));
    // Three steps for five prompt tokens in twos, the last of which gives the first token.
    expect((await first).done?.timings).toEqual({
      queueMs: 0,
      prefillMs: 30,
      decodeMs: 30,
      promptTokens: 5,
      generatedTokens: 4,
      preemptions: 0,
    });
    expect((await second).done?.timings).toMatchObject({ queueMs: 60, prefillMs: 10, decodeMs: 0 });
    await rig.engine.close();
  });
});

describe("score", () => {
  test("gives the log-probability of each token after those before it", async () => {
    const tokens = Array.from({ length: 60 }, (_, i) => (i * 17) % VOCAB);
    for (const options of [
      {},
      { chunk: 5 },
      { maxLogitRows: 1 },
      { maxRows: 7, maxLogitRows: 3 },
    ]) {
      const { engine } = createRig(options);
      const scores = await engine.score({ tokens, from: 10 });
      const truth = tokens.slice(10).map((token, i) => {
        const logits = [...logitsAfter(tokens.slice(0, 10 + i))];
        return logits[token]! - Math.log(logits.reduce((sum, l) => sum + Math.exp(l), 0));
      });
      expect(scores.length).toBe(50);
      for (const [i, score] of scores.entries()) expect(score).toBeCloseTo(truth[i]!, 10);
      await engine.close();
    }
  });

  test("runs beside generation and through preemption, and changes neither", async () => {
    const tokens = Array.from({ length: 40 }, (_, i) => (i * 7) % VOCAB);
    const alone = createRig();
    const truth = await alone.engine.score({ tokens, from: 1 });
    const { engine } = createRig({ blocks: 16, maxLogitRows: 4, maxSequences: 4 });
    const early = collect(engine, request([1, 2], { maxTokens: 50 }));
    const scores = await Promise.all([1, 1, 1].map((from) => engine.score({ tokens, from })));
    for (const score of scores) expect(score).toEqual(truth);
    expect((await early).tokens).toEqual(expected([1, 2], 50, GREEDY));
    expect(engine.stats().kvBlocksUsed).toBe(0);
    await Promise.all([engine.close(), alone.engine.close()]);
  });

  test("refuses ranges and lengths that make no sense", async () => {
    const { engine } = createRig({ contextLength: 4 });
    for (const from of [0, -1, 4, 1.5]) {
      await expect(engine.score({ tokens: [1, 2, 3], from })).rejects.toEqual(
        coded("INVALID_REQUEST"),
      );
    }
    await expect(engine.score({ tokens: [1, 2, 3, 4, 5], from: 1 })).rejects.toEqual(
      coded("CONTEXT_LENGTH_EXCEEDED"),
    );
    await expect(engine.score({ tokens: [1, 2, 3], from: 3 })).resolves.toEqual(
      new Float64Array(0),
    );
    await engine.close();
  });

  test("can be aborted", async () => {
    const { engine } = createRig({ chunk: 1 });
    const controller = new AbortController();
    const scores = engine.score({ tokens: [1, 2, 3, 4, 5], from: 1, signal: controller.signal });
    await turn();
    controller.abort();
    await expect(scores).rejects.toEqual(coded("ABORTED"));
    expect(engine.stats()).toMatchObject({ running: 0, kvBlocksUsed: 0 });
    await engine.close();
  });
});

describe("a failing step", () => {
  test("ends running requests with its error, waiting ones and later ones with NOT_READY", async () => {
    const rig = createRig({ maxSequences: 1 });
    const running = collect(rig.engine, request([1]));
    const waiting = rig.engine.score({ tokens: [1, 2], from: 1 });
    rig.onRun = (): void => {
      if (rig.batches.length === 3) throw new Error("device lost");
    };
    const failure: unknown = await running.catch((error: unknown) => error);
    expect(failure).toEqual(coded("INTERNAL"));
    expect(failure instanceof RuntimeError && failure.message).toContain("device lost");
    await expect(waiting).rejects.toEqual(coded("NOT_READY"));
    await expect(collect(rig.engine, request([1]))).rejects.toEqual(coded("NOT_READY"));
    expect(rig.engine.stats()).toMatchObject({ running: 0, waiting: 0, kvBlocksUsed: 0 });
    await rig.engine.close();
    expect(rig.closed).toBe(1);
  });

  test("keeps the code of a RuntimeError", async () => {
    const rig = createRig();
    rig.onRun = (): never => {
      throw new RuntimeError("INSUFFICIENT_RESOURCES", "out of memory");
    };
    await expect(collect(rig.engine, request([1]))).rejects.toEqual(
      coded("INSUFFICIENT_RESOURCES"),
    );
    await rig.engine.close();
  });
});

describe("close", () => {
  test("ends running and waiting requests with NOT_READY after the current step, once", async () => {
    const rig = createRig({ maxSequences: 1 });
    const answers = [1, 2].map((token) =>
      collect(rig.engine, request([token], { maxTokens: 900 })).catch((e: unknown) => e),
    );
    while (rig.engine.stats().steps < 3) await turn();
    await Promise.all([rig.engine.close(), rig.engine.close()]);
    expect(await Promise.all(answers)).toEqual([coded("NOT_READY"), coded("NOT_READY")]);
    await expect(collect(rig.engine, request([1]))).rejects.toEqual(coded("NOT_READY"));
    expect(rig.closed).toBe(1);
  });
});

describe("stats", () => {
  test("count what was done, and stall only while there is something to do", async () => {
    let clock = 0;
    const rig = createRig({ now: () => clock });
    clock = 5000;
    expect(rig.engine.stats().stalledMs).toBe(0);
    const step = new EventEmitter();
    rig.onRun = async (): Promise<void> => {
      await once(step, "go");
    };
    const answer = collect(rig.engine, request([1, 2, 3], { maxTokens: 2 }));
    await turn();
    clock = 5400;
    expect(rig.engine.stats()).toMatchObject({ running: 1, stalledMs: 400, kvBlocksUsed: 1 });
    rig.onRun = undefined;
    step.emit("go");
    await answer;
    expect(rig.engine.stats()).toEqual({
      running: 0,
      waiting: 0,
      kvBlocksUsed: 0,
      kvBlocksTotal: 64,
      steps: 2,
      rows: 4,
      rowsAhead: 0,
      rowsPerSecond: 10,
      promptTokens: 3,
      generatedTokens: 2,
      preemptions: 0,
      prefixQueries: 3,
      prefixHits: 0,
      draftedTokens: 0,
      acceptedTokens: 0,
      modelDraftedTokens: 0,
      modelAcceptedTokens: 0,
      stalledMs: 0,
    });
    expect(rig.engine.info).toMatchObject({ backend: "memory", vocabSize: VOCAB, loadMs: 12 });
    await rig.engine.close();
  });
});

test("createEngine refuses limits below 1", () => {
  expect(() => createRig({ maxSequences: 0 })).toThrow(RangeError);
  expect(() => createRig({ chunk: 0 })).toThrow(RangeError);
});
