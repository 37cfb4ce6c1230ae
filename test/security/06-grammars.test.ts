import { describe, expect, test } from "vitest";
import { createScriptedApp } from "../fixtures/scripted-app.ts";

const messages = [{ role: "user", content: "hi" }];
const CHAT = "/v1/chat/completions";
const HOSTILE: readonly (readonly [string, object])[] = [
  ["60,000 nested groups", { grammar: `root ::= ${"(".repeat(60_000)}` }],
  [
    "a chain of 5,000 rules that leads nowhere",
    { grammar: Array.from({ length: 5000 }, (_, i) => `r${i} ::= r${i + 1}`).join("\n") },
  ],
  ["a rule that is only itself", { grammar: "root ::= root" }],
  ["a pattern that nothing matches", { structured_outputs: { regex: "^+[a-z]$" } }],
  ["a pattern that is longer than any", { structured_outputs: { regex: "a".repeat(100_000) } }],
  [
    "a schema that is deeper than any",
    {
      response_format: {
        type: "json_schema",
        json_schema: {
          name: "x",
          schema: Array.from({ length: 90 }).reduce((inner) => ({ items: inner }), {}),
        },
      },
    },
  ],
];

/** Each takes some milliseconds where nothing else runs. */
const MAX_MS = 5000;

describe("06 grammars and schemas fail alone, and at once (all of it: test/core/grammar/hostile)", () => {
  test.each(HOSTILE)("%s", async (_, more) => {
    const { post, engine } = createScriptedApp({ reply: "x" });
    const begun = performance.now();
    const response = await post(CHAT, { model: "m", messages, ...more });
    expect(performance.now() - begun).toBeLessThan(MAX_MS);
    expect(response.status).toBe(400);
    expect(engine.requests).toHaveLength(0);
    // A sound one directly behind it is answered.
    const sound = await post(CHAT, { model: "m", messages, grammar: 'root ::= "x"' });
    expect(sound.status).toBe(200);
  });

  test("hundreds of different schemas at once are each judged by themselves", async () => {
    const { post } = createScriptedApp({ reply: "x" });
    const statuses = await Promise.all(
      Array.from({ length: 300 }, async (_, i) => {
        const schema = i % 2 === 0 ? { const: i } : { const: i, unknownKeyword: i };
        const json_schema = { name: "x", schema };
        const response_format = { type: "json_schema", json_schema };
        return (await post(CHAT, { model: "m", messages, response_format })).status;
      }),
    );
    expect(statuses).toEqual(statuses.map((_, i) => (i % 2 === 0 ? 200 : 400)));
  });
});
