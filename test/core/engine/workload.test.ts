import * as fc from "fast-check";
import { expect, test } from "vitest";
import { GREEDY } from "../../../core/sampler/params.ts";
import { VOCAB, embeddingOf, expected, logitsAfter } from "./memory-model.ts";
import { collect, createRig, request, turn } from "./rig.ts";

/*
 * Random requests at random times, some aborted, on random limits: whatever the schedule, each gets the
 * tokens it would get alone, all come to an end, and no block is lost.
 */

const limits = fc
  .record({
    maxRows: fc.integer({ min: 1, max: 24 }),
    maxLogitRows: fc.integer({ min: 1, max: 8 }),
    maxSequences: fc.integer({ min: 1, max: 8 }),
    blockSize: fc.constantFrom(1, 3, 4, 16),
    chunk: fc.integer({ min: 1, max: 24 }),
    // Room for one request of the largest size, and from there up to plenty.
    room: fc.integer({ min: 40, max: 160 }),
  })
  .map((all) => Object.assign(all, { blocks: Math.ceil(all.room / all.blockSize) }));

const prompt = fc.array(fc.nat(VOCAB - 1), { minLength: 1, maxLength: 24 });

const asked = fc.record({
  prompt,
  maxTokens: fc.integer({ min: 1, max: 16 }),
  /** Turns after the start at which it arrives. */
  arrival: fc.nat(20),
  /** Turns after its arrival at which it is aborted. */
  abort: fc.option(fc.nat(20)),
  kind: fc.constantFrom("generate", "generate", "generate", "score", "leave", "mean", "last"),
  temperature: fc.constantFrom(0, 0.9),
  stop: fc.nat(VOCAB - 1),
});

test("every request gets the tokens it would get alone, under any load and limits", async () => {
  await fc.assert(
    fc.asyncProperty(
      limits,
      fc.array(asked, { minLength: 1, maxLength: 12 }),
      async (room, all) => {
        const { engine } = createRig(room);
        await Promise.all(
          all.map(async ({ arrival, abort, ...ask }) => {
            for (let i = 0; i < arrival; i++) await turn();
            const controller = new AbortController();
            const { signal } = controller;
            const answer = run(ask, signal);
            if (abort !== null) {
              for (let i = 0; i < abort; i++) await turn();
              controller.abort();
            }
            await answer.catch((error: unknown) => {
              expect(error).toMatchObject({ code: "ABORTED" });
              expect(signal.aborted).toBe(true);
            });
          }),
        );
        expect(engine.stats()).toMatchObject({ running: 0, waiting: 0, kvBlocksUsed: 0 });
        await engine.close();

        async function run(
          ask: Omit<(typeof all)[number], "arrival" | "abort">,
          signal: AbortSignal,
        ): Promise<void> {
          const { prompt: tokens, maxTokens, temperature, stop, kind } = ask;
          if (kind === "score") {
            const scores = await engine.score({ tokens, from: 1, signal });
            for (const [i, score] of scores.entries()) {
              const logits = [...logitsAfter(tokens.slice(0, i + 1))];
              const mass = Math.log(logits.reduce((sum, l) => sum + Math.exp(l), 0));
              expect(score).toBeCloseTo(logits[tokens[i + 1]!]! - mass, 9);
            }
            return;
          }
          if (kind === "mean" || kind === "last") {
            const embedding = await engine.embed({ tokens, pooling: kind, signal });
            expect(embedding).toEqual(embeddingOf(tokens, kind));
            return;
          }
          const sampling = { ...GREEDY, temperature, seed: stop, repeatPenalty: 1.1 };
          const truth = expected(tokens, maxTokens, sampling, [stop]);
          const wanted = request(tokens, { maxTokens, sampling, stopTokens: [stop], signal });
          if (kind === "leave") {
            for await (const event of engine.generate(wanted)) {
              if (event.type === "token") {
                expect(event.token).toBe(truth[0]);
                break;
              }
            }
            return;
          }
          const answer = await collect(engine, wanted);
          expect(answer.tokens).toEqual(truth);
          expect(answer.done?.reason).toBe(truth.length < maxTokens ? "stop" : "length");
        }
      },
    ),
    { numRuns: 150 },
  );
});

test("a request is begun and answered however many come after it", async () => {
  const { engine } = createRig({ maxSequences: 3, blocks: 12, chunk: 4 });
  const over = new AbortController();
  const flood = Array.from({ length: 6 }, async (_, i) => {
    for (let n = 0; !over.signal.aborted; n++)
      await collect(engine, request([i, n % VOCAB], { maxTokens: 5 }));
  });
  for (let i = 0; i < 10; i++) await turn();
  const before = engine.stats().steps;
  const tokens = Array.from({ length: 30 }, (_, i) => i);
  const answer = await collect(engine, request(tokens, { maxTokens: 8 }));
  expect(answer.tokens).toEqual(expected(tokens, 8, GREEDY));
  // Six before it, five tokens each, three at a time; then its own 8 chunks and 8 tokens, and preemption.
  expect(engine.stats().steps - before).toBeLessThan(80);
  over.abort();
  await Promise.all(flood);
  await engine.close();
});
