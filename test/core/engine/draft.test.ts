import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createDraftAccount } from "../../../core/engine/draft-account.ts";
import { createEngine } from "../../../core/engine/loop.ts";
import { createStepCost } from "../../../core/engine/step-cost.ts";
import { compileFormat } from "../../../core/grammar/compile.ts";
import { tokenBytes } from "../../../core/grammar/token-bytes.ts";
import { GREEDY } from "../../../core/sampler/params.ts";
import type { Backend } from "../../../core/tensor/backend.ts";
import { pieceTokenizer } from "../../fixtures/scripted-engine.ts";
import { createMemoryModel, expected, type MemoryModel, VOCAB } from "./memory-model.ts";
import { collect, request, turn, type Rig, type RigOptions } from "./rig.ts";

interface DraftOptions extends RigOptions {
  /** On how many tokens each model's answers depend: they agree where these are the same. */
  readonly spans?: readonly [model: number, draft: number];
  /** Milliseconds of a step of each, however many rows it has. */
  readonly costs?: readonly [model: number, draft: number];
  readonly guesses?: boolean;
}

/** One backend for both models. */
function shared(model: MemoryModel, draft: MemoryModel, onRun: (by: MemoryModel) => void): Backend {
  const ownerOf = (one: object): MemoryModel =>
    draft.model.cache.includes(one as never) ? draft : model;
  return {
    ...model.backend,
    async run(record) {
      const before = draft.batches.length;
      await model.backend.run(record);
      onRun(draft.batches.length > before ? draft : model);
    },
    reduce: (tensor, queries) =>
      model.backend.reduce(tensor, queries).catch(() => draft.backend.reduce(tensor, queries)),
    zeroKv: (layer, first, count) => ownerOf(layer).backend.zeroKv(layer, first, count),
  };
}

/** An engine with a draft model whose steps take a tenth of the time. */
function drafting(options: DraftOptions = {}): Rig & { readonly clock: () => number } {
  const { maxRows = 64, maxLogitRows = 32, blocks = 64, blockSize = 4 } = options;
  const { spans = [Infinity, Infinity], costs = [10, 1], guesses = true } = options;
  const limits = { maxRows, maxLogitRows, blocks, blockSize };
  const memory = createMemoryModel(limits, 1000, spans[0]);
  const draft = createMemoryModel(limits, 1000, spans[1]);
  let clock = 0;
  const engine = createEngine({
    model: memory.model,
    ...(guesses ? { draft: draft.model } : {}),
    backend: shared(memory, draft, (by) => (clock += costs[by === draft ? 1 : 0])),
    speculate: options.speculate ?? "model",
    loadMs: 0,
    maxSequences: options.maxSequences ?? 8,
    maxWaiting: 1000,
    ...(options.chunk === undefined ? {} : { chunk: options.chunk }),
    yieldTurn: turn,
    now: () => clock,
  });
  return Object.assign(memory, { engine, clock: () => clock });
}

describe("a draft model", () => {
  test("makes the same answer of fewer steps, greedy and sampled, with the same log-probabilities", async () => {
    for (const sampling of [GREEDY, { ...GREEDY, temperature: 1, topP: 0.9, seed: 3 }]) {
      const asked = request([1, 2, 3, 4, 5], { maxTokens: 150, logprobs: 2, sampling });
      const plain = drafting({ guesses: false });
      const guessing = drafting();
      const slow = await collect(plain.engine, asked);
      const fast = await collect(guessing.engine, asked);
      expect(fast.events).toEqual(slow.events);
      const stats = guessing.engine.stats();
      expect(stats.modelAcceptedTokens).toBe(stats.modelDraftedTokens);
      expect(stats.modelAcceptedTokens).toBe(stats.acceptedTokens);
      expect(stats.steps).toBe(150 - stats.acceptedTokens);
      expect(guessing.clock()).toBeLessThan(0.7 * plain.clock());
      await plain.engine.close();
      await guessing.engine.close();
    }
  });

  test("that is always wrong costs a fiftieth at most", async () => {
    const asked = request([1, 2, 3], { maxTokens: 200 });
    const options = { spans: [Infinity, 1], costs: [10, 4] } as const;
    const plain = drafting({ ...options, guesses: false });
    const guessing = drafting(options);
    for (let i = 0; i < 10; i++) {
      const prompt = { ...asked, tokens: [i, 2, 3] };
      expect((await collect(guessing.engine, prompt)).tokens).toEqual(
        (await collect(plain.engine, prompt)).tokens,
      );
    }
    expect(guessing.engine.stats().modelDraftedTokens).toBeGreaterThan(0);
    expect(guessing.clock()).toBeLessThan(1.02 * plain.clock());
    await plain.engine.close();
    await guessing.engine.close();
  });

  test("has to be of the same shape", () => {
    const limits = { maxRows: 8, maxLogitRows: 8, blocks: 8, blockSize: 4 };
    const { model, backend } = createMemoryModel(limits);
    const draft = createMemoryModel({ ...limits, blocks: 9 }).model;
    const options = { model, backend, loadMs: 0, maxSequences: 1, maxWaiting: 1, now: () => 0 };
    expect(() => createEngine({ ...options, draft })).toThrow(RangeError);
  });
});

test("guesses of the same model are all right and change nothing, under any load and limits", async () => {
  const limits = fc.record({
    maxRows: fc.integer({ min: 1, max: 24 }),
    maxLogitRows: fc.integer({ min: 1, max: 16 }),
    maxSequences: fc.integer({ min: 1, max: 6 }),
    blockSize: fc.constantFrom(1, 4, 16),
    chunk: fc.integer({ min: 1, max: 24 }),
    room: fc.integer({ min: 80, max: 160 }),
  });
  const asked = fc.record({
    prompt: fc.array(fc.nat(2), { minLength: 1, maxLength: 20 }),
    maxTokens: fc.integer({ min: 1, max: 50 }),
    arrival: fc.nat(30),
    abort: fc.option(fc.nat(40), { freq: 5 }),
    temperature: fc.constantFrom(0, 0.7),
    topK: fc.constantFrom(0, 5),
    tenant: fc.constantFrom("a", "b"),
    seed: fc.nat(5),
  });
  let accepted = 0;
  let preemptions = 0;
  let shares = 0;
  await fc.assert(
    fc.asyncProperty(limits, fc.array(asked, { minLength: 1, maxLength: 8 }), async (room, all) => {
      const { engine } = drafting({ ...room, blocks: Math.ceil(room.room / room.blockSize) });
      await Promise.all(
        all.map(async ({ prompt, maxTokens, arrival, abort, tenant, ...sampled }) => {
          for (let i = 0; i < arrival; i++) await turn();
          const sampling = { ...GREEDY, ...sampled };
          const controller = new AbortController();
          const { signal } = controller;
          const answer = collect(engine, request(prompt, { maxTokens, sampling, signal, tenant }));
          if (abort !== null) {
            for (let i = 0; i < abort; i++) await turn();
            controller.abort();
          }
          const { tokens } = await answer.catch((error: unknown) => {
            expect(error).toMatchObject({ code: "ABORTED" });
            return { tokens: undefined };
          });
          if (tokens !== undefined) expect(tokens).toEqual(expected(prompt, maxTokens, sampling));
        }),
      );
      const stats = engine.stats();
      expect(stats).toMatchObject({ running: 0, waiting: 0, kvBlocksUsed: 0 });
      expect(stats.modelAcceptedTokens).toBe(stats.modelDraftedTokens);
      accepted += stats.modelAcceptedTokens;
      preemptions += stats.preemptions;
      shares += stats.prefixHits;
      await engine.close();
    }),
    { numRuns: 150 },
  );
  // Or the property would say nothing about guesses.
  expect(accepted).toBeGreaterThan(500);
  expect(preemptions).toBeGreaterThan(0);
  expect(shares).toBeGreaterThan(0);
});

/** An account for steps of 10 ms, 1 for each row more, and a draft model of so many. */
function opened(draftMs: number) {
  const cost = createStepCost();
  for (let i = 0; i < 100; i++) cost.learn(1 + (i % 4), 10 + (i % 4));
  const account = createDraftAccount(cost);
  for (let i = 0; i < 10; i++) account.learn(1, draftMs);
  return account;
}

test("sequences that begin alike do not fill the blocks that they share twice", async () => {
  const { engine } = drafting();
  const prompt = Array.from({ length: 30 }, (_, i) => i);
  // Its blocks are known before there is time to guess.
  await collect(engine, request(prompt, { maxTokens: 1 }));
  const asked = [1, 2, 3].map((last) => request([...prompt, last], { maxTokens: 40 }));
  const answers = await Promise.all(asked.map((one) => collect(engine, one)));
  for (const [i, { tokens }] of answers.entries()) {
    expect(tokens).toEqual(expected(asked[i]!.tokens, 40, GREEDY));
  }
  const { modelDraftedTokens, modelAcceptedTokens, prefixHits } = engine.stats();
  expect(prefixHits).toBeGreaterThan(80);
  expect(modelDraftedTokens).toBeGreaterThan(0);
  expect(modelAcceptedTokens).toBe(modelDraftedTokens);
  await engine.close();
});

/** Tokens of the memory model as texts: letters, then nothing. */
const letters = tokenBytes(
  pieceTokenizer(
    Array.from({ length: VOCAB }, (_, token) =>
      new TextEncoder().encode(token < 26 ? String.fromCodePoint(97 + token) : ""),
    ),
  ),
);

test("constrained answers are the same with guesses of either kind, with and without log-probabilities", async () => {
  const patterns = ["([a-f]{2}x)*", "(ab|cd|[x-z]{3})*", "a(b|c(d|ef)*g)*z", "xyz", "[a-m]{30,}"];
  const constraints = patterns.map((pattern) => ({
    grammar: compileFormat({ type: "regex", pattern }, "format"),
    vocabulary: letters,
    blank: false,
  }));
  const all = Array.from({ length: 20 }, (_, seed) =>
    request([seed % 7, 3, seed % 5], {
      maxTokens: 31 + seed,
      sampling: { ...GREEDY, temperature: seed % 3 === 0 ? 0 : 1.1, seed },
      constraint: constraints[seed % constraints.length]!,
      stopTokens: [seed % 4 === 0 ? 49 : 48],
      ...(seed % 2 === 0 ? {} : { logprobs: 2 }),
    }),
  );
  const run = async (rig: Rig) => {
    const given = await Promise.all(all.map((one) => collect(rig.engine, one)));
    const stats = rig.engine.stats();
    await rig.engine.close();
    return { given: given.map(({ events, done }) => [events, done?.reason]), stats };
  };
  const plain = await run(drafting({ guesses: false, blocks: 90 }));
  const drafted = await run(drafting({ blocks: 90 }));
  expect(drafted.given).toEqual(plain.given);
  expect(drafted.stats.modelAcceptedTokens).toBeGreaterThan(60);
  // Of guesses within the form those are wrong that the number of tokens does not allow.
  expect(drafted.stats.modelAcceptedTokens).toBeGreaterThan(0.8 * drafted.stats.modelDraftedTokens);
  const spans = [1, 1] as const;
  const repetitive = await run(drafting({ guesses: false, spans, blocks: 90 }));
  const looked = await run(drafting({ guesses: false, spans, blocks: 90, speculate: true }));
  expect(looked.given).toEqual(repetitive.given);
  expect(looked.stats.acceptedTokens).toBeGreaterThan(10);
});

describe("createDraftAccount", () => {
  test("makes more guesses the more of them are right, and none where they do not pay", () => {
    const account = opened(1);
    for (let i = 0; i < 200; i++) account.judge(8, 8);
    expect(account.most(1, 1)).toBe(8);
    for (let i = 0; i < 200; i++) account.judge(4, 0);
    account.spend(100);
    expect(account.most(1, 1)).toBe(0);
    expect(account.mayCatchUp).toBe(false);
    // In time it is tried again.
    for (let i = 0; i < 1100; i++) account.settle(1, 10, 0, 0);
    expect(account.most(1, 1)).toBe(1);
  });

  test("makes no guesses with a model that takes as long as the other one", () => {
    const account = opened(10);
    for (let i = 0; i < 200; i++) account.judge(8, 8);
    account.spend(100);
    expect(account.most(1, 1)).toBe(0);
  });
});
