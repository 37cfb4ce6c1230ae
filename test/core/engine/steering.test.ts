import { describe, expect, test } from "vitest";
import { END, steer } from "../../../core/engine/steering.ts";
import { compileFormat } from "../../../core/grammar/compile.ts";
import { createMatchers } from "../../../core/grammar/matcher.ts";
import { tokenBytes } from "../../../core/grammar/token-bytes.ts";
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
    const steering = steer(
      request([1], { constraint: constraint("[c-e]z") }),
      createMatchers(),
      100,
    )!;
    expect(steering.mask([])).toBeDefined();
    expect(steering.correct(9)).toBe(2);
    steering.take(2);
    steering.mask([]);
    expect(steering.correct(25)).toBe(25);
    steering.take(25);
    // The text is complete, and the vocabulary has no token to say so.
    expect(steering.mask([])).toBeUndefined();
    expect(steering.correct(0)).toBe(END);
  });

  test("throws where no token of the vocabulary fits", () => {
    const steering = steer(request([1], { constraint: constraint("aé") }), createMatchers(), 100)!;
    steering.mask([]);
    expect(steering.correct(0)).toBe(0);
    steering.take(0);
    steering.mask([]);
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
    for (const [seed, { tokens }] of answers.entries()) {
      const text = tokens.map((token) => String.fromCodePoint(97 + token)).join("");
      expect(text).toMatch([/^([a-f]{2}x){8}$/, /^(ab|cd|[x-z]{3})*$/][seed % 2]!);
      expect(text.length).toBeGreaterThan(21);
    }
    await crowded.engine.close();
  });
});

describe("an answer that runs out of tokens", () => {
  test("is brought to an end, whatever is chosen, and says so", () => {
    for (let limit = 4; limit < 20; limit++) {
      const asked = request([1], { constraint: constraint("a(b|c(d|ef)*g)*z"), maxTokens: limit });
      const steering = steer(asked, createMatchers(), 1 + limit)!;
      let text = "";
      // `c` opens what has to be closed, so it is chosen wherever it fits.
      for (let room = limit; room > 0; room--) {
        steering.mask([]);
        const token = steering.correct(text.endsWith("c") ? 4 : 2);
        steering.take(token);
        if (token === END) break;
        text += String.fromCodePoint(97 + token);
      }
      expect(text).toMatch(/^a(b|c(d|ef)*g)*z$/);
      expect(steering.ending("length"), text).toBe("length");
    }
  });

  test("has ended by itself where nothing else could have been said", () => {
    const asked = request([1], { constraint: constraint("xyz"), maxTokens: 3 });
    const steering = steer(asked, createMatchers(), 4)!;
    for (let i = 0; i < 3; i++) {
      steering.mask([]);
      steering.take(steering.correct(0));
    }
    expect(steering.ending("length")).toBe("stop");
  });

  test("is refused where it could not be complete", () => {
    const asked = request([1], { constraint: constraint("[a-z]{5,}"), maxTokens: 4 });
    expect(() => steer(asked, createMatchers(), 5)).toThrow(
      expect.objectContaining({
        code: "INVALID_REQUEST",
        param: "max_tokens",
        message: expect.stringContaining("takes 5") as string,
      }),
    );
    expect(() => steer({ ...asked, maxTokens: 9 }, createMatchers(), 5)).toThrow(
      expect.objectContaining({ code: "CONTEXT_LENGTH_EXCEEDED" }),
    );
    expect(steer({ ...asked, maxTokens: 5 }, createMatchers(), 6)).toBeDefined();
  });

  test("is the same in a crowd, and its log-probabilities are those of what it was made of", async () => {
    const { engine } = createRig();
    const asked = request([4, 2], {
      maxTokens: 6,
      logprobs: 3,
      constraint: constraint("([a-f]{2}x)*z"),
    });
    const alone = await collect(engine, asked);
    const [other] = await Promise.all([collect(engine, asked), collect(engine, ask(3))]);
    expect(other.tokens).toEqual(alone.tokens);
    expect(alone.tokens.at(-1)).toBe(25);
    expect(alone.done?.reason).toBe("length");
    for (const { logprob } of alone.events) expect(logprob).toBeGreaterThan(-Infinity);
    await engine.close();
  });
});
