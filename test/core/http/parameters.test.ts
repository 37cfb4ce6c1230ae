import { describe, expect, test } from "vitest";
import { propertiesOf, readSchemas } from "../../fixtures/openapi.ts";
import { createScriptedApp } from "../../fixtures/scripted-app.ts";
import { byteTokenizer } from "../../fixtures/scripted-engine.ts";
import { shared } from "../../fixtures/shared.ts";

/** A request schema of a description, where it is served, and a value of each property that asks for something. */
interface Surface {
  readonly api: "openai" | "mistral";
  readonly schema: string;
  readonly path: string;
  readonly base: Readonly<Record<string, unknown>>;
  readonly values: Readonly<Record<string, unknown>>;
}

const user = { role: "user", content: "hi" };
const tool = { type: "function", function: { name: "f", parameters: {} } };

const responseTool = { type: "function", name: "f", parameters: {}, strict: true };

const COMPLETIONS = {
  model: "other",
  max_tokens: 2,
  temperature: 0.5,
  top_p: 0.5,
  seed: 5,
  stop: ["l"],
  presence_penalty: 1,
  frequency_penalty: 1,
  logit_bias: { 5: 1 },
  stream: true,
  stream_options: { include_usage: true },
  user: "u",
  metadata: { a: "b" },
};

const CHAT = {
  ...COMPLETIONS,
  messages: [user, { role: "assistant", content: "a" }, user],
  max_completion_tokens: 2,
  n: 2,
  logprobs: true,
  top_logprobs: 2,
  response_format: { type: "json_object" },
  tools: [tool],
  tool_choice: "required",
  parallel_tool_calls: false,
  functions: [{ name: "f" }],
  function_call: { name: "f" },
  audio: { voice: "alloy", format: "wav" },
  modalities: ["audio"],
  prediction: { type: "content", content: "x" },
  web_search_options: {},
  reasoning_effort: "low",
  verbosity: "low",
  store: true,
  moderation: { model: "m" },
  safety_identifier: "s",
  prompt_cache_key: "k",
  prompt_cache_retention: "24h",
  prompt_cache_options: {},
  service_tier: "flex",
};

const MISTRAL = {
  random_seed: 5,
  min_tokens: 3,
  prompt_mode: "reasoning",
  guardrails: [],
  safe_prompt: true,
};

const base = { model: "m", messages: [user], seed: 1 };

const SURFACES: readonly Surface[] = [
  {
    api: "openai",
    schema: "CreateChatCompletionRequest",
    path: "/v1/chat/completions",
    base,
    values: CHAT,
  },
  {
    api: "openai",
    schema: "CreateCompletionRequest",
    path: "/v1/completions",
    base: { model: "m", prompt: "hi", seed: 1 },
    values: {
      ...COMPLETIONS,
      prompt: "ho",
      n: 2,
      best_of: 2,
      echo: true,
      suffix: "end",
      logprobs: 1,
    },
  },
  {
    api: "openai",
    schema: "CreateEmbeddingRequest",
    path: "/v1/embeddings",
    base: { model: "m", input: "hi" },
    values: {
      model: "other",
      input: "ho",
      encoding_format: "base64",
      dimensions: 2,
      user: "u",
    },
  },
  {
    api: "openai",
    schema: "CreateResponse",
    path: "/v1/responses",
    base: { model: "m", input: "hi" },
    values: {
      model: "other",
      input: "ho",
      instructions: "Be brief.",
      max_output_tokens: 2,
      temperature: 0.5,
      top_p: 0.5,
      top_logprobs: 2,
      include: ["message.output_text.logprobs"],
      stream: true,
      stream_options: { include_obfuscation: true },
      metadata: { a: "b" },
      text: { format: { type: "json_object" } },
      tools: [responseTool],
      tool_choice: "required",
      parallel_tool_calls: false,
      max_tool_calls: 1,
      reasoning: { effort: "low" },
      store: true,
      previous_response_id: "resp_1",
      conversation: "conv_1",
      background: true,
      truncation: "auto",
      prompt: { id: "p" },
      moderation: { model: "m" },
      context_management: [{ type: "compaction" }],
      user: "u",
      safety_identifier: "s",
      prompt_cache_key: "k",
      prompt_cache_retention: "24h",
      prompt_cache_options: {},
      service_tier: "flex",
    },
  },
  {
    api: "mistral",
    schema: "ChatCompletionRequest",
    path: "/v1/chat/completions",
    base: { ...base, seed: undefined, random_seed: 1 },
    values: { ...CHAT, ...MISTRAL },
  },
  {
    api: "mistral",
    schema: "FIMCompletionRequest",
    path: "/v1/fim/completions",
    base: { model: "m", prompt: "a", random_seed: 1 },
    values: { ...COMPLETIONS, ...MISTRAL, prompt: "ho", suffix: "end", prompt_cache_key: "k" },
  },
  {
    api: "mistral",
    schema: "EmbeddingRequest",
    path: "/v1/embeddings",
    base: { model: "m", input: "hi" },
    values: {
      model: "other",
      input: "ho",
      metadata: { a: "b" },
      output_dimension: 2,
      output_dtype: "int8",
      encoding_format: "base64",
    },
  },
];

/** What a parameter is only for together with. */
const TOGETHER: Readonly<Record<string, object>> = {
  stream_options: { stream: true },
  top_logprobs: { logprobs: true },
  tool_choice: { tools: [tool] },
  parallel_tool_calls: { tools: [tool] },
};

/** The same for responses, whose tools look different. */
const IN_RESPONSES: Readonly<Record<string, object>> = {
  stream_options: { stream: true },
  tool_choice: { tools: [responseTool] },
  parallel_tool_calls: { tools: [responseTool] },
};

/** Without what is the same in all requests. */
function brief(key: string, value: unknown): unknown {
  return key === "signal" || key === "vocabulary" ? "there" : value;
}

/** Everything that a request did: what the engine was asked, and the answer without times and ids. */
async function outcome(path: string, body: object) {
  const spelling = ["[SUFFIX]", "[PREFIX]"];
  const tokenizer = {
    ...byteTokenizer,
    vocabSize: 260,
    controlText: (token: number) => spelling[token - 258] ?? byteTokenizer.controlText(token),
  };
  const app = createScriptedApp({ reply: "Hello" }, {}, { tokenizer, aliases: ["other"] });
  const response = await app.post(path, body);
  const text = await response.text();
  const requests = [...app.engine.requests, ...app.engine.embedded];
  return {
    status: response.status,
    ignored: (response.headers.get("x-sirocco-ignored") ?? "").split(", "),
    text,
    did: JSON.stringify(requests, brief) + text.replaceAll(/"\w+_(?:ms|per_second)":[\d.]+/g, ""),
  };
}

const file = (api: string) => shared(`data/openai-compat/${api}-openapi.yaml`);
const absent = file("openai") === undefined;

describe.skipIf(absent).each(SURFACES)(
  `$schema of $api${absent ? " (skipped: ../shared/data not present)" : ""}`,
  ({ api, schema, path, base: plain, values }) => {
    const schemas = absent ? {} : readSchemas(file(api)!, [schema]);
    const names = [...new Set(propertiesOf(schemas, schemas[schema]))];

    test("has properties, and there is a value for each", () => {
      expect(names.length).toBeGreaterThan(4);
      expect(names.filter((name) => !(name in values))).toEqual([]);
    });

    test.each(names)("%s is honoured, named as ignored or refused by its name", async (name) => {
      const together = (schema === "CreateResponse" ? IN_RESPONSES : TOGETHER)[name] ?? {};
      const without = { ...plain, ...together };
      const asked = await outcome(path, { ...without, [name]: values[name] });
      if (asked.status === 200) {
        const named = asked.ignored.some((one) => one.split(".")[0] === name);
        if (named) return;
        const before = await outcome(path, without);
        expect(before.status, before.text).toBe(200);
        // `model` finds the same model by another name, and the answer says so by its own.
        if (name !== "model") expect(asked.did, "it changes something").not.toBe(before.did);
      } else {
        expect([400, 422]).toContain(asked.status);
        expect(asked.text).toContain("unsupported_parameter");
        // What it is for may be what is not served.
        const blamed = [name, ...Object.keys(together)].join("|");
        expect(asked.text).toMatch(new RegExp(`Unsupported parameter '(?:${blamed})\\b`));
      }
    });

    test("what nobody knows is refused", async () => {
      const { status, text } = await outcome(path, { ...plain, tempurature: 1 });
      expect([400, 422]).toContain(status);
      expect(text).toContain("Unsupported parameter 'tempurature'");
    });
  },
);
