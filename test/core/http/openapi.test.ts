import { readFileSync } from "node:fs";
import { Ajv, type ValidateFunction } from "ajv";
import { beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { createScriptedApp, eventsOf } from "../../fixtures/scripted-app.ts";
import { shared } from "../../fixtures/shared.ts";

const file = shared("data/openai-compat/openai-openapi.yaml");

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** OpenAPI 3.0 writes `nullable`; JSON Schema writes a union. */
function toJsonSchema(schema: Json): Json {
  if (Array.isArray(schema)) return schema.map(toJsonSchema);
  if (typeof schema !== "object" || schema === null) return schema;
  const { nullable, discriminator: _, ...rest } = schema;
  const entries = Object.entries(rest)
    .filter(([key]) => !key.startsWith("x-"))
    .map(([key, value]) => [key, toJsonSchema(value)] as const);
  const plain = Object.fromEntries(entries);
  return nullable === true ? { anyOf: [plain, { type: "null" }] } : plain;
}

/**
 * The schemas of these names and all that they refer to. Only their own lines are parsed: the whole
 * description takes ten seconds.
 */
function readSchemas(yaml: string, roots: readonly string[]): Record<string, Json> {
  const section = yaml.slice(yaml.indexOf("\n  schemas:\n"));
  const blocks = new Map(
    section.split(/\n(?= {4}\w+:\n)/).map((block) => [/^ {4}(\w+):/.exec(block)?.[1], block]),
  );
  const wanted = new Map<string, Json>();
  const visit = (name: string) => {
    const block = blocks.get(name);
    if (wanted.has(name) || block === undefined) return;
    const schema = parse(block)[name];
    wanted.set(name, toJsonSchema(schema));
    const text = JSON.stringify(schema);
    for (const [, found] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)) visit(found!);
  };
  for (const root of roots) visit(root);
  return Object.fromEntries(wanted);
}

describe.skipIf(file === undefined)(
  `answers are valid by OpenAI's own description${file === undefined ? " (skipped: ../shared/data not present)" : ""}`,
  () => {
    const roots = [
      "CreateChatCompletionResponse",
      "CreateChatCompletionStreamResponse",
      "CreateCompletionResponse",
      "ListModelsResponse",
      "Model",
      "ErrorResponse",
    ] as const;
    const validators = new Map<string, ValidateFunction>();

    beforeAll(() => {
      const schemas = readSchemas(readFileSync(file!, "utf8"), roots);
      const ajv = new Ajv({ strict: false, validateFormats: false });
      ajv.addSchema({ $id: "openai", components: { schemas } });
      for (const root of roots) {
        const validate = ajv.getSchema(`openai#/components/schemas/${root}`);
        if (validate === undefined) throw new Error(`the description has no ${root}`);
        validators.set(root, validate);
      }
    });

    function expectValid(root: (typeof roots)[number], value: unknown): void {
      const validate = validators.get(root)!;
      validate(value);
      expect(validate.errors ?? [], JSON.stringify(value)).toEqual([]);
    }

    const { post, get } = createScriptedApp({ reply: "Grüße" });
    const chat = { model: "m", messages: [{ role: "user", content: "hi" }] };
    const plain = { model: "m", prompt: "hi" };

    test("the validators refuse what is wrong", () => {
      expect(validators.get("ErrorResponse")!({ error: { message: "x" } })).toBe(false);
      expect(validators.get("CreateChatCompletionResponse")!({ id: 5 })).toBe(false);
    });

    test.each([{}, { max_tokens: 1 }, { logprobs: true, top_logprobs: 1 }])(
      "chat completions with %o",
      async (fields) => {
        const response = await post("/v1/chat/completions", { ...chat, ...fields });
        expectValid("CreateChatCompletionResponse", await response.json());
      },
    );

    test.each([
      {},
      { stream_options: { include_usage: true } },
      { logprobs: true, top_logprobs: 1 },
    ])("chat completion chunks with %o", async (fields) => {
      const request = { ...chat, ...fields, stream: true };
      const events = await eventsOf(await post("/v1/chat/completions", request));
      expect(events.length).toBeGreaterThan(5);
      for (const event of events) expectValid("CreateChatCompletionStreamResponse", event);
    });

    test.each([{}, { logprobs: 1 }])("completions with %o", async (fields) => {
      const response = await post("/v1/completions", { ...plain, ...fields });
      expectValid("CreateCompletionResponse", await response.json());
    });

    test("models", async () => {
      expectValid("ListModelsResponse", await (await get("/v1/models")).json());
      expectValid("Model", await (await get("/v1/models/m")).json());
    });

    test("errors", async () => {
      const responses = [
        await get("/nothing"),
        await get("/v1/completions"),
        await post("/v1/completions", "{"),
        await post("/v1/completions", { ...plain, temperature: 9 }),
        await post("/v1/completions", { ...plain, model: "x" }),
      ];
      for (const response of responses) expectValid("ErrorResponse", await response.json());
    });
  },
);
