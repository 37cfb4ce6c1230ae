import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { GREEDY } from "../../../core/sampler/params.ts";
import { VOCAB, expected } from "./memory-model.ts";
import { collect, createRig, request, turn } from "./rig.ts";

/** The memory model answers by what it finds through the block tables: a wrong or stale block shows. */

const SYSTEM = Array.from({ length: 13 }, (_, i) => (7 * i) % VOCAB);

describe("a prompt that begins like an earlier one", () => {
  test("is computed from the first token that differs, and its answer is the same", async () => {
    const rig = createRig();
    const [one, two] = [
      [...SYSTEM, 1, 2],
      [...SYSTEM, 3, 4],
    ] as const;
    const first = await collect(rig.engine, request(one));
    expect(first.events[0]?.cachedTokens).toBeUndefined();
    rig.batches.length = 0;
    const second = await collect(rig.engine, request(two));
    expect(second.tokens).toEqual(expected(two, 10, GREEDY));
    // Blocks of four: twelve of the thirteen that are alike are in full blocks.
    expect(second.events[0]?.cachedTokens).toBe(12);
    expect([...rig.batches[0]!.positions]).toEqual([12, 13, 14]);
    expect(rig.engine.stats()).toMatchObject({ prefixQueries: 30, prefixHits: 12 });
    await rig.engine.close();
  });

  test("still has its last token computed where all of it is known", async () => {
    const { engine, batches } = createRig();
    const prompt = SYSTEM.slice(0, 8);
    const first = await collect(engine, request(prompt));
    batches.length = 0;
    const again = await collect(engine, request(prompt));
    expect(again.tokens).toEqual(first.tokens);
    expect([...batches[0]!.positions]).toEqual([4, 5, 6, 7]);
    await engine.close();
  });

  test("finds what was answered as well: the next turn of a conversation", async () => {
    const { engine } = createRig();
    const { tokens } = await collect(engine, request(SYSTEM));
    const next = [...SYSTEM, ...tokens, 5];
    const turn2 = await collect(engine, request(next));
    expect(turn2.tokens).toEqual(expected(next, 10, GREEDY));
    expect(turn2.events[0]?.cachedTokens).toBe(20);
    await engine.close();
  });

  test("shares blocks with one that still runs, and neither is harmed by the other's end", async () => {
    const { engine } = createRig({ maxRows: 16 });
    const one = engine.generate(request(SYSTEM, { maxTokens: 30 }))[Symbol.asyncIterator]();
    await one.next();
    const other = await collect(engine, request([...SYSTEM, 9], { maxTokens: 3 }));
    expect(other.events[0]?.cachedTokens).toBe(12);
    expect(other.tokens).toEqual(expected([...SYSTEM, 9], 3, GREEDY));
    const rest: number[] = [];
    for (let next = await one.next(); next.done !== true; next = await one.next()) {
      if (next.value.type === "token") rest.push(next.value.token);
    }
    expect(rest).toEqual(expected(SYSTEM, 30, GREEDY).slice(1));
    expect(engine.stats().kvBlocksUsed).toBe(0);
    await engine.close();
  });

  test("finds nothing of another tenant's, and nothing at all where that is switched off", async () => {
    const rig = createRig();
    await collect(rig.engine, request(SYSTEM, { tenant: "a" }));
    for (const tenant of ["b", "", "a:", "1"]) {
      const { events, tokens } = await collect(rig.engine, request(SYSTEM, { tenant }));
      expect(events[0]?.cachedTokens).toBeUndefined();
      expect(tokens).toEqual(expected(SYSTEM, 10, GREEDY));
    }
    const { events } = await collect(rig.engine, request(SYSTEM, { tenant: "a" }));
    expect(events[0]?.cachedTokens).toBe(12);
    await rig.engine.close();

    const off = createRig({ sharePrefixes: false });
    await collect(off.engine, request(SYSTEM));
    expect((await collect(off.engine, request(SYSTEM))).events[0]?.cachedTokens).toBeUndefined();
    await off.engine.close();
  });

  test("loses what was used least recently where room is needed", async () => {
    const { engine } = createRig({ blocks: 8 });
    const prompts = [10, 20, 30].map((token) => Array.from({ length: 9 }, () => token));
    const found = async (prompt: readonly number[]): Promise<number> =>
      (await collect(engine, request(prompt, { maxTokens: 1 }))).events[0]?.cachedTokens ?? 0;
    expect(await found(prompts[0]!)).toBe(0);
    expect(await found(prompts[1]!)).toBe(0);
    expect(await found(prompts[0]!)).toBe(8);
    expect(await found(prompts[2]!)).toBe(0);
    expect(await found([...prompts[2]!, ...prompts[2]!, 1, 2, 3])).toBe(8);
    expect(await found(prompts[0]!)).toBe(8);
    expect(await found(prompts[1]!)).toBe(0);
    await engine.close();
  });
});

test("whoever shares what with whom, every request gets the tokens that it gets alone", async () => {
  const limits = fc.record({
    maxRows: fc.integer({ min: 1, max: 24 }),
    maxSequences: fc.integer({ min: 1, max: 8 }),
    blockSize: fc.constantFrom(1, 2, 4, 7),
    chunk: fc.integer({ min: 1, max: 24 }),
    room: fc.integer({ min: 50, max: 120 }),
  });
  const asked = fc.record({
    // Few tokens and a common stem: most begin like another.
    stem: fc.nat(SYSTEM.length),
    tail: fc.array(fc.nat(1), { minLength: 1, maxLength: 20 }),
    maxTokens: fc.integer({ min: 1, max: 12 }),
    arrival: fc.nat(30),
    abort: fc.option(fc.nat(20), { freq: 4 }),
    tenant: fc.constantFrom("", "a", "b"),
    priority: fc.integer({ min: -4, max: 4 }),
    temperature: fc.constantFrom(0, 0.9),
  });
  let hits = 0;
  let preemptions = 0;
  await fc.assert(
    fc.asyncProperty(
      limits,
      fc.array(asked, { minLength: 1, maxLength: 14 }),
      async (room, all) => {
        const { engine } = createRig({
          ...room,
          blocks: Math.ceil(room.room / room.blockSize),
        });
        await Promise.all(
          all.map(async ({ stem, tail, maxTokens, arrival, abort, temperature, ...whose }) => {
            for (let i = 0; i < arrival; i++) await turn();
            const prompt = [...SYSTEM.slice(0, stem), ...tail];
            const sampling = { ...GREEDY, temperature, seed: tail.length };
            const controller = new AbortController();
            const answer = collect(
              engine,
              request(prompt, { maxTokens, sampling, signal: controller.signal, ...whose }),
            );
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
        hits += stats.prefixHits;
        preemptions += stats.preemptions;
        await engine.close();
      },
    ),
    { numRuns: 150 },
  );
  // Or the property would say nothing about sharing.
  expect(hits).toBeGreaterThan(100);
  expect(preemptions).toBeGreaterThan(10);
});
