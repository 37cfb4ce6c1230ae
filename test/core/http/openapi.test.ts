import { beforeAll, describe, expect, test } from "vitest";
import { readSchemas, validatorsOf, type Json } from "../../fixtures/openapi.ts";
import { createScriptedApp, eventsOf } from "../../fixtures/scripted-app.ts";
import { byteTokenizer } from "../../fixtures/scripted-engine.ts";
import { shared } from "../../fixtures/shared.ts";

const hello = { model: "m", messages: [{ role: "user", content: "hi" }] };
const plain = { model: "m", prompt: "hi" };

/** Validators of one API's description, and how to ask them. */
function describing(name: string, roots: readonly string[]) {
  const file = shared(`data/openai-compat/${name}-openapi.yaml`);
  let validators: ReturnType<typeof validatorsOf>;
  const eventTypes = new Map<string, string>();
  const expectValid = (root: string, value: unknown): void => {
    const validate = validators.get(root)!;
    validate(value);
    expect(validate.errors ?? [], JSON.stringify(value)).toEqual([]);
  };
  return {
    file,
    title: file === undefined ? `${name} (skipped: ../shared/data not present)` : name,
    load: () => {
      const schemas = readSchemas(file!, roots);
      // An event is one of many; which, says its type, and only by that schema is there a useful complaint.
      const events = Object.keys(schemas).filter((schema) => /^Response\w*Event$/.test(schema));
      validators = validatorsOf(schemas, [...roots, ...events]);
      for (const event of events) eventTypes.set(typeIn(schemas[event]), event);
    },
    expectEvent: (value: { type: string }): void => {
      expect([...eventTypes.keys()]).toContain(value.type);
      expectValid(eventTypes.get(value.type)!, value);
    },
    isValid: (root: string, value: unknown): boolean => validators.get(root)!(value),
    expectValid,
  };
}

function typeIn(schema: Json | undefined): string {
  const found = /"enum":\["(response\.[\w.]+|error)"\]/.exec(JSON.stringify(schema));
  return found?.[1] ?? "";
}

const openai = describing("openai", [
  "CreateChatCompletionResponse",
  "CreateChatCompletionStreamResponse",
  "CreateCompletionResponse",
  "CreateEmbeddingResponse",
  "ListModelsResponse",
  "Model",
  "ErrorResponse",
  "Response",
  "ResponseStreamEvent",
]);

describe.skipIf(openai.file === undefined)(
  `answers are valid by the API of ${openai.title}`,
  () => {
    const { expectValid, isValid } = openai;
    const { post, get } = createScriptedApp({ reply: "Grüße" });
    beforeAll(openai.load);

    test("the validators refuse what is wrong", () => {
      expect(isValid("ErrorResponse", { error: { message: "x" } })).toBe(false);
      expect(isValid("CreateChatCompletionResponse", { id: 5 })).toBe(false);
      expect(isValid("Response", { id: "x", object: "response" })).toBe(false);
      expect(isValid("ResponseStreamEvent", { type: "response.created" })).toBe(false);
    });

    test.each([{}, { max_tokens: 1 }, { logprobs: true, top_logprobs: 1 }, { n: 2 }])(
      "chat completions with %o",
      async (fields) => {
        const response = await post("/v1/chat/completions", { ...hello, ...fields });
        expectValid("CreateChatCompletionResponse", await response.json());
      },
    );

    test.each([
      {},
      { n: 2 },
      { stream_options: { include_usage: true } },
      { logprobs: true, top_logprobs: 1 },
    ])("chat completion chunks with %o", async (fields) => {
      const request = { ...hello, ...fields, stream: true };
      const events = await eventsOf(await post("/v1/chat/completions", request));
      expect(events.length).toBeGreaterThan(5);
      for (const event of events) expectValid("CreateChatCompletionStreamResponse", event);
    });

    test.each([{}, { logprobs: 1 }, { n: 2, echo: true }, { best_of: 2 }, { prompt: ["a", "b"] }])(
      "completions with %o",
      async (fields) => {
        const response = await post("/v1/completions", { ...plain, ...fields });
        expectValid("CreateCompletionResponse", await response.json());
      },
    );

    test("embeddings", async () => {
      const response = await post("/v1/embeddings", { model: "m", input: ["a", "b"] });
      expectValid("CreateEmbeddingResponse", await response.json());
    });

    const conversation = { model: "m", input: "hi" };
    const logprobs = { include: ["message.output_text.logprobs"], top_logprobs: 1 };

    test.each([
      {},
      { max_output_tokens: 1 },
      logprobs,
      { instructions: "x", metadata: { a: "b" } },
    ])("responses with %o", async (fields) => {
      const response = await post("/v1/responses", { ...conversation, ...fields });
      expectValid("Response", await response.json());
    });

    test.each([{}, { max_output_tokens: 1 }, logprobs])(
      "events of responses with %o",
      async (fields) => {
        const response = await post("/v1/responses", { ...conversation, ...fields, stream: true });
        const frames = (await response.text()).split("\n\n").slice(0, -1);
        expect(frames.length).toBeGreaterThan(7);
        for (const frame of frames) {
          const event = JSON.parse(frame.slice(frame.indexOf("data: ") + 6));
          openai.expectEvent(event);
        }
      },
    );

    test("calls of tools", async () => {
      const called = '<tool_call>\n{"name":"f","arguments":{"a":1}}\n</tool_call>';
      const calling = createScriptedApp({ reply: `Well.\n${called}\n${called}` });
      const wire = { name: "f", parameters: { type: "object", properties: {} } };
      const tools = [{ type: "function", function: wire }];
      const chat = { ...hello, tools };
      const whole = await (await calling.post("/v1/chat/completions", chat)).json();
      expect(whole.choices[0].message.tool_calls).toHaveLength(2);
      expectValid("CreateChatCompletionResponse", whole);
      const chunks = await calling.post("/v1/chat/completions", { ...chat, stream: true });
      for (const chunk of await eventsOf(chunks))
        expectValid("CreateChatCompletionStreamResponse", chunk);
      const asked = { ...conversation, tools: [{ type: "function", ...wire, strict: true }] };
      const response = await (await calling.post("/v1/responses", asked)).json();
      expect(response.output).toHaveLength(3);
      expectValid("Response", response);
      const streamed = await calling.post("/v1/responses", { ...asked, stream: true });
      const frames = (await streamed.text()).split("\n\n").slice(0, -1);
      for (const frame of frames)
        openai.expectEvent(JSON.parse(frame.slice(frame.indexOf("data: ") + 6)));
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
        await post("/v1/embeddings", { model: "m" }),
        await post("/v1/responses", { model: "m", input: [] }),
      ];
      for (const response of responses) expectValid("ErrorResponse", await response.json());
    });
  },
);

const mistral = describing("mistral", [
  "ChatCompletionChoice",
  "CompletionChunk",
  "UsageInfo",
  "EmbeddingResponseData",
  "BaseModelCard",
  "HTTPValidationError",
]);

describe.skipIf(mistral.file === undefined)(
  `answers are valid by the API of ${mistral.title}`,
  () => {
    const { expectValid, isValid } = mistral;
    const spelling = ["[SUFFIX]", "[PREFIX]"];
    const tokenizer = {
      ...byteTokenizer,
      vocabSize: 260,
      controlText: (token: number) => spelling[token - 258] ?? byteTokenizer.controlText(token),
    };
    const { post, get } = createScriptedApp({ reply: "Grüße" }, {}, { tokenizer });
    beforeAll(mistral.load);

    test("the validators refuse what is wrong", () => {
      expect(isValid("ChatCompletionChoice", { index: 0 })).toBe(false);
      expect(isValid("UsageInfo", { prompt_tokens: 1 })).toBe(false);
    });

    test.each([
      ["/v1/chat/completions", { ...hello, safe_prompt: true, random_seed: 1 }],
      ["/v1/fim/completions", { model: "m", prompt: "a", suffix: "b" }],
    ])("%s", async (path, body) => {
      const whole = await (await post(path, body)).json();
      for (const { message, ...choice } of whole.choices) {
        // Which OpenAI demands and Mistral does not know; the path is one.
        const { refusal, ...known } = message;
        expect(refusal).toBeNull();
        expectValid("ChatCompletionChoice", { ...choice, message: known });
      }
      expectValid("UsageInfo", whole.usage);
      const events = await eventsOf(await post(path, { ...body, stream: true }));
      expect(events.length).toBeGreaterThan(5);
      for (const event of events) expectValid("CompletionChunk", event);
    });

    test("embeddings", async () => {
      const body = await (await post("/v1/embeddings", { model: "m", input: "a" })).json();
      for (const data of body.data) expectValid("EmbeddingResponseData", data);
      expectValid("UsageInfo", body.usage);
    });

    test("models tell what they can do", async () => {
      const { data } = await (await get("/v1/models")).json();
      for (const model of data) expectValid("BaseModelCard", model);
      expect(data[0].capabilities).toMatchObject({ completion_chat: true, completion_fim: true });
    });

    test("errors of filling in", async () => {
      const refused = await post("/v1/fim/completions", {
        model: "m",
        prompt: "a",
        temperature: 9,
      });
      expect(refused.status).toBe(422);
      expectValid("HTTPValidationError", await refused.json());
    });
  },
);
