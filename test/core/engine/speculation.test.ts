import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createDrafter } from "../../../core/engine/drafter.ts";
import { createLookup } from "../../../core/engine/prompt-lookup.ts";
import { createStepCost } from "../../../core/engine/step-cost.ts";
import { GREEDY } from "../../../core/sampler/params.ts";
import { createEngine } from "../../../core/engine/loop.ts";
import { createMemoryModel, expected, VOCAB } from "./memory-model.ts";
import { collect, request, turn, type Rig, type RigOptions } from "./rig.ts";

describe("createLookup", () => {
  test("guesses what followed the last three tokens the last time", () => {
    const lookup = createLookup();
    expect(lookup.guess([1, 2], 4)).toEqual([]);
    expect(lookup.guess([1, 2, 3, 4, 5], 4)).toEqual([]);
    expect(lookup.guess([1, 2, 3, 4, 5, 1, 2, 3], 2)).toEqual([4, 5]);
    expect(lookup.guess([1, 2, 3, 4, 5, 1, 2, 3, 9, 1, 2, 3], 3)).toEqual([9, 1, 2]);
  });

  test("goes on with its own guesses where a text repeats what it is just saying", () => {
    expect(createLookup().guess([7, 8, 7, 8, 7], 5)).toEqual([8, 7, 8, 7, 8]);
    expect(createLookup().guess([5, 5, 5, 5], 3)).toEqual([5, 5, 5]);
  });

  test("finds the latest occurrence, whatever the tokens and however they came", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(2), { maxLength: 40 }), fc.nat(10), (tokens, cut) => {
        const lookup = createLookup();
        lookup.guess(tokens.slice(0, cut), 3);
        const [first] = lookup.guess(tokens, 1);
        const end = tokens.length;
        let at = end - 1;
        const alike = (i: number): boolean =>
          [1, 2, 3].every((back) => tokens[i - back] === tokens[end - back]);
        while (at >= 3 && !alike(at)) at--;
        expect(first).toBe(at >= 3 ? tokens[at] : undefined);
      }),
    );
  });
});

test("createStepCost learns the line that steps lie on, whatever came before and between", () => {
  const cost = createStepCost();
  expect(cost.milliseconds(3) / cost.milliseconds(1)).toBe(2);
  for (let i = 0; i < 20; i++) cost.learn(1, 10);
  expect(cost.milliseconds(1)).toBeCloseTo(10);
  expect(cost.milliseconds(2)).toBeCloseTo(15);
  for (let i = 0; i < 200; i++) {
    const rows = 1 + (i % 5);
    cost.learn(rows, 4 + rows);
    if (i % 50 === 0) cost.learn(rows, 10_000);
  }
  expect(cost.milliseconds(8) - cost.milliseconds(1)).toBeLessThan(10);
  for (let i = 0; i < 300; i++) cost.learn(1 + (i % 5), 5 + (i % 5));
  expect(cost.milliseconds(8)).toBeCloseTo(12, 0);
});

describe("createDrafter", () => {
  const repeating = Array.from({ length: 30 }, (_, i) => i % 5);

  test("guesses more the more its guesses are right, and stops where they do not pay", () => {
    const cost = createStepCost();
    for (let i = 0; i < 100; i++) cost.learn(1 + (i % 4), 10 + 5 * (i % 4));
    const drafter = createDrafter(cost);
    expect(drafter.draft(repeating, 1).length).toBeGreaterThan(0);
    for (let i = 0; i < 20; i++) drafter.judge(8, 8);
    expect(drafter.draft(repeating, 1).length).toBe(8);
    for (let i = 0; i < 20; i++) drafter.judge(4, 0);
    const counts = Array.from({ length: 32 }, () => drafter.draft(repeating, 1).length);
    // One in sixteen is still tried.
    expect(counts.filter((count) => count > 0)).toEqual([1, 1]);
  });

  test("guesses nothing where a row costs as much as a step", () => {
    const cost = createStepCost();
    for (let i = 0; i < 200; i++) cost.learn(1 + (i % 4), 10 * (1 + (i % 4)));
    const drafter = createDrafter(cost);
    for (let i = 0; i < 20; i++) drafter.judge(8, 7);
    expect(drafter.draft(repeating, 1)).toEqual([]);
  });
});

/** Answers of the memory model never repeat themselves; those of this one do, as only the last token counts. */
function repetitive(options: RigOptions): Rig {
  const { maxRows = 64, maxLogitRows = 32, blocks = 64, blockSize = 4 } = options;
  const memory = createMemoryModel({ maxRows, maxLogitRows, blocks, blockSize }, 1000, 1);
  // A step takes as long whatever its rows, so that guesses pay where they are right.
  let clock = 0;
  memory.onRun = (): void => {
    clock += 10;
  };
  const engine = createEngine({
    ...memory,
    loadMs: 0,
    maxSequences: options.maxSequences ?? 8,
    maxWaiting: 1000,
    ...(options.chunk === undefined ? {} : { chunk: options.chunk }),
    speculate: options.speculate ?? true,
    yieldTurn: turn,
    now: () => clock,
  });
  return Object.assign(memory, { engine });
}

test("an answer that repeats itself takes fewer steps, and its tokens are the same", async () => {
  const asked = request([1, 2, 3, 1, 2], { maxTokens: 150, logprobs: 2 });
  const plain = repetitive({ speculate: false });
  const slow = await collect(plain.engine, asked);
  expect(plain.engine.stats()).toMatchObject({ steps: 150, draftedTokens: 0 });
  const guessing = repetitive({});
  const fast = await collect(guessing.engine, asked);
  expect(fast.events).toEqual(slow.events);
  const { steps, draftedTokens, acceptedTokens } = guessing.engine.stats();
  expect(acceptedTokens).toBeGreaterThan(30);
  expect(acceptedTokens).toBeLessThanOrEqual(draftedTokens);
  expect(steps).toBe(150 - acceptedTokens);
  await plain.engine.close();
  await guessing.engine.close();
});

test("requests whose logits depend on what was chosen are not guessed", async () => {
  const rig = repetitive({});
  const sampling = { ...GREEDY, repeatPenalty: 1.01 };
  await collect(rig.engine, request([1, 2, 3], { maxTokens: 60, sampling }));
  expect(rig.engine.stats().draftedTokens).toBe(0);
  await rig.engine.close();
});

test("every request gets the tokens that it gets without guesses, under any load and limits", async () => {
  const limits = fc.record({
    maxRows: fc.integer({ min: 1, max: 24 }),
    maxLogitRows: fc.integer({ min: 1, max: 16 }),
    maxSequences: fc.integer({ min: 1, max: 6 }),
    blockSize: fc.constantFrom(1, 4, 16),
    chunk: fc.integer({ min: 1, max: 24 }),
    room: fc.integer({ min: 80, max: 160 }),
  });
  const asked = fc.record({
    prompt: fc.array(fc.nat(3), { minLength: 1, maxLength: 16 }),
    maxTokens: fc.integer({ min: 1, max: 60 }),
    arrival: fc.nat(30),
    abort: fc.option(fc.nat(40), { freq: 5 }),
    temperature: fc.constantFrom(0, 0.5),
    topK: fc.constantFrom(0, 1, 5),
    stop: fc.nat(10 * VOCAB),
  });
  let accepted = 0;
  let preemptions = 0;
  await fc.assert(
    fc.asyncProperty(limits, fc.array(asked, { minLength: 1, maxLength: 8 }), async (room, all) => {
      const { engine } = repetitive({ ...room, blocks: Math.ceil(room.room / room.blockSize) });
      await Promise.all(
        all.map(async ({ prompt, maxTokens, arrival, abort, temperature, topK, stop }) => {
          for (let i = 0; i < arrival; i++) await turn();
          // Few of them stop at a token.
          const stops = stop < VOCAB ? [stop] : [];
          const sampling = { ...GREEDY, temperature, topK, seed: stop };
          const controller = new AbortController();
          const answer = collect(
            engine,
            request(prompt, {
              maxTokens,
              sampling,
              stopTokens: stops,
              signal: controller.signal,
            }),
          );
          if (abort !== null) {
            for (let i = 0; i < abort; i++) await turn();
            controller.abort();
          }
          const { tokens, done } = await answer.catch((error: unknown) => {
            expect(error).toMatchObject({ code: "ABORTED" });
            return { tokens: undefined, done: undefined };
          });
          if (tokens === undefined) return;
          const truth = expected(prompt, maxTokens, sampling, stops, 1);
          expect(tokens).toEqual(truth);
          expect(done?.reason).toBe(truth.length < maxTokens ? "stop" : "length");
        }),
      );
      const stats = engine.stats();
      expect(stats).toMatchObject({ running: 0, waiting: 0, kvBlocksUsed: 0 });
      accepted += stats.acceptedTokens;
      preemptions += stats.preemptions;
      await engine.close();
    }),
    { numRuns: 150 },
  );
  // Or the property would say nothing about guesses.
  expect(accepted).toBeGreaterThan(500);
  expect(preemptions).toBeGreaterThan(0);
});
