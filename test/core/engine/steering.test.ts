import { describe, expect, test } from "vitest";
import { END, steer } from "../../../core/engine/steering.ts";
import { compileFormat } from "../../../core/grammar/compile.ts";
import { createMatchers } from "../../../core/grammar/matcher.ts";
import { tokenBytes } from "../../../core/grammar/vocabulary.ts";
import { GREEDY } from "../../../core/sampler/params.ts";
import { pieceTokenizer } from "../../fixtures/scripted-engine.ts";
import { VOCAB } from "./memory-model.ts";
import { collect, createRig, request } from "./rig.ts";

/** Tokens of the memory model as texts: letters, then nothing. */
const letters = pieceTokenizer(
  Array.from({ length: VOCAB }, (_, token) =>
    new TextEncoder().encode(token < 26 ? String.fromCodePoint(97 + token) : ""),
  ),
);
const vocabulary = tokenBytes(letters);

function constraint(pattern: string) {
  return { grammar: compileFormat({ type: "regex", pattern }, "format"), vocabulary, blank: false };
}

/** One of several requests that differ. */
const ask = (seed: number) =>
  request([seed % 7, 3, seed % 5], {
    maxTokens: 24,
    sampling: { ...GREEDY, temperature: 1.2, seed },
    constraint: constraint(["([a-f]{2}x)*", "(ab|cd|[x-z]{3})*"][seed % 2]!),
  });

describe("steer", () => {
  test("takes the first token that fits in place of one that does not", () => {
    const steering = steer(request([1], { constraint: constraint("[c-e]z") }), createMatchers())!;
    expect(steering.mask()).toBeDefined();
    expect(steering.correct(9)).toBe(2);
    steering.mask();
    expect(steering.correct(25)).toBe(25);
    // The text is complete, and the vocabulary has no token to say so.
    expect(steering.mask()).toBeUndefined();
    expect(steering.correct(0)).toBe(END);
  });

  test("throws where no token of the vocabulary fits", () => {
    const steering = steer(request([1], { constraint: constraint("aé") }), createMatchers())!;
    steering.mask();
    expect(steering.correct(0)).toBe(0);
    steering.mask();
    expect(() => steering.correct(0)).toThrow(expect.objectContaining({ code: "INVALID_REQUEST" }));
  });
});

describe("an engine", () => {
  test("ends an answer that is complete with stop, and one that cannot go on with an error", async () => {
    const { engine } = createRig();
    const { tokens, done } = await collect(
      engine,
      request([1, 2], { constraint: constraint("xyz") }),
    );
    expect(tokens).toEqual([23, 24, 25]);
    expect(done?.reason).toBe("stop");
    await expect(
      collect(engine, request([1, 2], { constraint: constraint("xé") })),
    ).rejects.toMatchObject({
      code: "INVALID_REQUEST",
    });
    await engine.close();
  });

  test("gives the same constrained answers alone, in a crowd and when their cache is taken away", async () => {
    const alone = createRig();
    const expected = [];
    for (let seed = 0; seed < 8; seed++)
      expected.push((await collect(alone.engine, ask(seed))).tokens);
    await alone.engine.close();
    const crowded = createRig({ blocks: 20, chunk: 3 });
    const answers = await Promise.all(
      expected.map((_, seed) => collect(crowded.engine, ask(seed))),
    );
    expect(answers.map(({ tokens }) => tokens)).toEqual(expected);
    expect(crowded.engine.stats().preemptions).toBeGreaterThan(0);
    for (const { tokens } of answers) expect(tokens.length).toBe(24);
    await crowded.engine.close();
  });
});
