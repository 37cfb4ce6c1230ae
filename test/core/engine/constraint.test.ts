import { afterAll, describe, expect, test } from "vitest";
import { compileFormat } from "../../../core/grammar/compile.ts";
import type { AnswerFormat } from "../../../core/grammar/format.ts";
import { GREEDY } from "../../../core/sampler/params.ts";
import { loadDemo } from "../../fixtures/demo.ts";
import { answer, type AnswerRequest } from "../../../core/answer/answer.ts";

const demo = await loadDemo();
const { engine, tokenizer } = demo;
afterAll(() => demo.close());

const prompt = [tokenizer.bos!, ...tokenizer.encode("Say something:")];

const schema = {
  type: "object",
  properties: {
    name: { type: "string", maxLength: 12 },
    count: { type: "integer", minimum: 3, maximum: 17 },
    tags: { type: "array", items: { enum: ["a", "b"] }, maxItems: 3 },
  },
  required: ["name", "count"],
  additionalProperties: false,
};
const asJson: AnswerFormat = { type: "json_schema", schema };

async function run(format: AnswerFormat, more: Partial<AnswerRequest> = {}) {
  let text = "";
  const tokens: number[] = [];
  const request = {
    prompt,
    maxTokens: 200,
    sampling: GREEDY,
    stop: [],
    grammar: compileFormat(format, "format"),
    ...more,
  };
  for await (const event of answer(engine, tokenizer, request)) {
    if (event.type === "done") return { text, tokens, done: event };
    text += event.text;
    for (const { token } of event.tokens) tokens.push(token);
  }
  throw new Error("no end");
}

const chance = (seed: number) => ({ ...GREEDY, temperature: 1.5, seed });

describe("an answer of the demo model held to a constraint", () => {
  test("is JSON that the schema allows, greedy and sampled, and ends by itself", async () => {
    for (const sampling of [GREEDY, ...Array.from({ length: 10 }, (_, i) => chance(i))]) {
      const { text, done } = await run(asJson, { sampling });
      expect(done.reason).toBe("stop");
      const value = JSON.parse(text) as { name: string; count: number };
      expect(value.name.length).toBeLessThanOrEqual(12);
      expect(value.count).toBeGreaterThanOrEqual(3);
      expect(value.count).toBeLessThanOrEqual(17);
    }
  });

  test.each<[AnswerFormat, RegExp]>([
    [{ type: "regex", pattern: "(yes|no), [0-9]{2}!" }, /^(yes|no), [0-9]{2}!$/],
    [
      { type: "gbnf", grammar: 'root ::= "<" item ("," item)* ">"\nitem ::= [a-c]{2}' },
      /^<[a-c]{2}(,[a-c]{2})*>$/,
    ],
  ])("matches %o", async (format, expected) => {
    for (let seed = 0; seed < 5; seed++) {
      const { text, done } = await run(format, { sampling: chance(seed), maxTokens: 100 });
      if (done.reason === "stop") expect(text).toMatch(expected);
    }
  });

  test("is the same for the same seed, alone, beside others and with logprobs", async () => {
    const sampling = chance(7);
    const alone = await run(asJson, { sampling });
    const crowd = await Promise.all(
      Array.from({ length: 6 }, (_, i) =>
        run(asJson, { sampling: i === 3 ? sampling : chance(i) }),
      ),
    );
    expect(crowd[3]!.text).toBe(alone.text);
    const told = await run(asJson, { sampling, logprobs: 2 });
    expect(told.text).toBe(alone.text);
    expect(told.tokens.length).toBe(told.done.usage.completionTokens);
  });

  test("is complete however few tokens there are, and refused where there are too few", async () => {
    let refused = 0;
    for (let maxTokens = 1; maxTokens < 45; maxTokens += 2) {
      try {
        const { text, done } = await run(asJson, { maxTokens, sampling: chance(maxTokens) });
        const value = JSON.parse(text) as { name: string; count: number };
        expect(value.name.length).toBeLessThanOrEqual(12);
        expect(value.count).toBeGreaterThanOrEqual(3);
        expect(done.usage.completionTokens).toBeLessThanOrEqual(maxTokens);
      } catch (error) {
        expect(error).toMatchObject({ code: "INVALID_REQUEST", param: "max_tokens" });
        refused = maxTokens;
      }
    }
    // `{"name":"","count":3}`: 21 bytes, fewer tokens.
    expect(refused).toBeGreaterThan(3);
    expect(refused).toBeLessThan(21);
  });

  test("repeats nothing of what bias and penalties forbid against the grammar", async () => {
    const brace = tokenizer.encode("{").at(-1)!;
    const sampling = { ...chance(1), logitBias: [[brace, -100]] as const, repeatPenalty: 1.3 };
    const { text, done } = await run(asJson, { sampling });
    expect(done.reason).toBe("stop");
    expect(() => JSON.parse(text)).not.toThrow();
  });
});

test("an assistant's answers can be held to a format, too", async () => {
  const format: AnswerFormat = { type: "regex", pattern: "(yes|no)[.!]" };
  let text = "";
  for await (const piece of demo.chat([{ role: "user", content: "Is it?" }], { format }))
    text += piece;
  expect(text).toMatch(/^(yes|no)[.!]$/);
});
