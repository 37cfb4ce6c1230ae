import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, test } from "vitest";
import type { AnswerDone, AnswerEvent } from "../../../core/answer/answer.ts";
import { buildGrammar } from "../../../core/grammar/build.ts";
import { isAllowed } from "../../../core/grammar/masks.ts";
import { createMatchers } from "../../../core/grammar/matcher.ts";
import { tokenBytes } from "../../../core/grammar/token-bytes.ts";
import { joinToolCalls, type ToolCallDelta } from "../../../core/tools/events.ts";
import { turnExpression } from "../../../core/tools/expression.ts";
import { detectToolForm, type ToolFormName, toolFormOf } from "../../../core/tools/forms.ts";
import { readTurn } from "../../../core/tools/read.ts";
import type { ToolUse } from "../../../core/tools/tools.ts";
import type { Tokenizer } from "../../../core/tokenizer/tokenizer.ts";
import { createRandom } from "../../fixtures/random.ts";
import { byteTokenizer } from "../../fixtures/scripted-engine.ts";
import { shared } from "../../fixtures/shared.ts";

const SIGNS = ["[TOOL_CALLS]", "[ARGS]", "<tool_call>", "</tool_call>", "<|python_tag|>", "[INST]"];

/** Bytes, the end of text, and all signs as control tokens. */
const signTokenizer: Tokenizer = {
  ...byteTokenizer,
  vocabSize: 258 + SIGNS.length,
  controlText: (token) => SIGNS[token - 258] ?? byteTokenizer.controlText(token),
  bytes: (token) => (token < 256 ? Uint8Array.of(token) : new Uint8Array()),
};

const FORMS: readonly ToolFormName[] = ["mistral", "mistral-args", "hermes", "llama", "plain"];
const VOCABULARIES = [
  ["with signs as control tokens", signTokenizer],
  ["with signs as text", byteTokenizer],
] as const;

const USE: ToolUse = {
  tools: [
    {
      name: "weather.now",
      description: "The weather",
      parameters: {
        type: "object",
        properties: {
          city: { type: "string", maxLength: 6 },
          days: { type: "integer", minimum: 1, maximum: 9 },
        },
        required: ["city"],
        additionalProperties: false,
      },
    },
    { name: "stop" },
  ],
  choice: "auto",
  parallel: true,
};

const done: AnswerDone = {
  type: "done",
  reason: "stop",
  usage: { promptTokens: 1, completionTokens: 1, cachedTokens: 0 },
  timings: { firstTokenMs: 0, decodeMs: 0 },
};

async function* pieces(texts: readonly string[]): AsyncGenerator<AnswerEvent, void, undefined> {
  for (const text of texts) yield { type: "text", text, tokens: [] };
  yield done;
}

async function read(name: ToolFormName, tokenizer: Tokenizer, texts: readonly string[]) {
  let text = "";
  let reason = "";
  const deltas: ToolCallDelta[] = [];
  for await (const event of readTurn(pieces(texts), toolFormOf(name, tokenizer))) {
    if (event.type === "text") text += event.text;
    else if (event.type === "tool_call") deltas.push(event);
    else ({ reason } = event);
  }
  return { text, reason, deltas, calls: joinToolCalls(deltas) };
}

/** Two calls, or one where the form has no more, behind a text. */
const WRITTEN: Readonly<Record<ToolFormName, (sign: (word: string) => string) => string>> = {
  mistral: (sign) =>
    `I look.${sign("[TOOL_CALLS]")}[{"name": "weather.now", "arguments": {"city": "R}\\"]{"}}, {"name": "stop", "arguments": {}}]`,
  "mistral-args": (sign) =>
    `I look.${sign("[TOOL_CALLS]")}weather.now${sign("[ARGS]")}{"city": "R}\\"]{"}${sign("[TOOL_CALLS]")}stop${sign("[ARGS]")}{}`,
  hermes: (sign) =>
    `I look.${sign("<tool_call>")}\n{"name": "weather.now", "arguments": {"city": "R}\\"]{"}}\n${sign("</tool_call>")}\n${sign("<tool_call>")}{"name":"stop","arguments":{}}${sign("</tool_call>")}`,
  llama: () => '{"name": "weather.now", "parameters": {"city": "R}\\"]{"}}',
  plain: (sign) => WRITTEN.hermes(sign),
};

describe.each(VOCABULARIES)("a vocabulary %s", (_, tokenizer) => {
  const signOf = (word: string): string => (tokenizer === byteTokenizer ? word : `\u{fdef}${word}`);

  test.each(FORMS)("calls in the form %s are read, however the text is cut", async (name) => {
    const written = WRITTEN[name](signOf);
    const cuts = Array.from({ length: written.length }, (_any, at) => [
      written.slice(0, at),
      written.slice(at),
    ]);
    for (const texts of [[written], Array.from(written), ...cuts]) {
      const { text, reason, deltas, calls } = await read(name, tokenizer, texts);
      expect(text).toBe(name === "llama" ? "" : "I look.");
      expect(reason).toBe("tool_calls");
      const expected = [
        ["weather.now", { city: 'R}"]{' }],
        ["stop", {}],
      ].slice(0, name === "llama" ? 1 : 2);
      expect(calls.map((call) => [call.name, JSON.parse(call.arguments)])).toEqual(expected);
      const ids = deltas.flatMap(({ id }) => id ?? []);
      expect(new Set(ids).size).toBe(calls.length);
      expect(ids[0]).toMatch(name.startsWith("mistral") ? /^\w{9}$/ : /^call_\w{9}$/);
    }
  });

  test.each(FORMS)("text without a call stays text in the form %s", async (name) => {
    for (const written of ["No call.", "", "a < b <tool [TOOL <|pyth", " {x}"]) {
      const { text, reason, calls } = await read(name, tokenizer, Array.from(written));
      expect([text, reason, calls]).toEqual([written, "stop", []]);
    }
  });

  describe.each(FORMS.slice(0, 4))("turns by chance in the form %s", (name) => {
    const form = toolFormOf(name, tokenizer);
    const vocabulary = tokenBytes(tokenizer);
    const ajv = new Ajv2020({ strict: false });
    const matchers = createMatchers();
    const random = createRandom(23);
    const opening = form.open.token;

    /** Signs and what closes things are rare among all bytes. */
    const all = Array.from({ length: tokenizer.vocabSize }, (_any, token) => token);
    const rare = all.filter(
      (token) => token === opening || '"}],<>{'.includes(String.fromCharCode(token)),
    );

    function choose(mask: Uint32Array): number | undefined {
      for (const from of random.next() < 0.6 ? [rare, all] : [all]) {
        const start = random.int(0, from.length - 1);
        for (let i = 0; i < from.length; i++) {
          const token = from[(start + i) % from.length]!;
          if (isAllowed(mask, token)) return token;
        }
      }
      return undefined;
    }

    /** A turn, and whether it came to its end. */
    function sample(use: ToolUse, key: string): { texts: string[]; finished: boolean } {
      const grammar = buildGrammar(key, turnExpression(form, use), "tools");
      const matcher = matchers.start(grammar, vocabulary, [...tokenizer.stops], false);
      const decoder = tokenizer.decoder();
      const texts: string[] = [];
      for (let i = 0; i < 400; i++) {
        const token = choose(matcher.mask());
        if (token === undefined) throw new Error("a dead end");
        if (tokenizer.stops.has(token)) return { texts: [...texts, decoder.end()], finished: true };
        expect(matcher.push(token)).toBe(true);
        texts.push(decoder.push(token) + (form.spelled.get(token) ?? ""));
      }
      return { texts, finished: false };
    }

    test.each([
      ["required", { ...USE, choice: "required" }],
      ["one at most", { ...USE, choice: "required", parallel: false }],
      ["named", { ...USE, choice: { name: "stop" } }],
      ["auto", USE],
    ] as const)("%s: every call can be made", async (kind, use) => {
      let finished = 0;
      for (let i = 0; i < 12; i++) {
        const turn = sample(use, `${name} ${kind}`);
        const { calls, text } = await read(name, tokenizer, turn.texts);
        if (!turn.finished) continue;
        finished++;
        for (const call of calls) {
          const tool = use.tools.find((one) => one.name === call.name)!;
          const schema = tool.parameters ?? { type: "object", maxProperties: 0 };
          expect(ajv.validate(schema, JSON.parse(call.arguments)), call.arguments).toBe(true);
          if (kind === "named") expect(call.name).toBe("stop");
        }
        if (kind !== "auto") expect([calls.length > 0, text]).toEqual([true, ""]);
        if (kind === "one at most") expect(calls).toHaveLength(1);
      }
      expect(finished).toBeGreaterThan(2);
    });
  });
});

const templates: readonly (readonly [string, ToolFormName])[] = [
  ["hf-jinja/NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use.jinja", "hermes"],
  ["hf-jinja/Qwen-Qwen2.5-7B-Instruct.jinja", "hermes"],
  ["hf-jinja/meta-llama-Llama-3.1-8B-Instruct.jinja", "llama"],
  ["hf-jinja/mistralai-Mistral-Nemo-Instruct-2407.jinja", "mistral"],
  ["mistral-jinja/v3_spm.jinja", "mistral"],
  ["mistral-jinja/v1_spm.jinja", "plain"],
  ["hf-jinja/google-gemma-2-2b-it.jinja", "plain"],
];
const present = shared("data/chat") !== undefined;

test.skipIf(!present).each(templates)(
  `the template %s has its form${present ? "" : " (skipped: ../shared/data not present)"}`,
  (file, form) => {
    expect(detectToolForm(readFileSync(shared(`data/chat/${file}`)!, "utf8"))).toBe(form);
  },
);

test("parameters that cannot be enforced are refused by name, unless the tool is not strict", () => {
  const tool = {
    name: "f",
    parameters: { type: "object", properties: { a: { unevaluatedItems: false } } },
  };
  const build = (strict: boolean) =>
    buildGrammar(
      "",
      turnExpression(toolFormOf("hermes", byteTokenizer), { ...USE, tools: [{ ...tool, strict }] }),
      "tools",
    );
  expect(() => build(true)).toThrow(
    expect.objectContaining({
      code: "UNSUPPORTED_PARAMETER",
      param: "tools[0].function.parameters.properties.a.unevaluatedItems",
    }),
  );
  expect(() => build(false)).not.toThrow();
});
