import Anthropic, { NotFoundError as AnthropicNotFound } from "@anthropic-ai/sdk";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { Mistral } from "@mistralai/mistralai";
import { HTTPValidationError, MistralError } from "@mistralai/mistralai/models/errors";
import * as ai from "ai";
import { Ollama } from "ollama";
import OpenAI, { NotFoundError as OpenAINotFound } from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startServer, type ServerProcess } from "../fixtures/cli.ts";
import {
  listenFlaky,
  listenScripted,
  listenSlow,
  type ListeningApp,
} from "../fixtures/listening.ts";

/* Real clients against a server that really listens; see test/core/http for the shapes in detail. */

const MODEL = "demo";
const QUESTION = "What makes a circuit breaker useful?";
const ANSWER =
  "A circuit breaker matters because waiting for a broken service wastes threads and time. " +
  "Failing fast keeps the rest of the system alive.";
const turns = [{ role: "user" as const, content: QUESTION }];
const SCHEMA = {
  type: "object",
  properties: { fine: { type: "boolean" } },
  required: ["fine"],
  additionalProperties: false,
};
const PARAMETERS = {
  type: "object",
  properties: { unit: { type: "string", enum: ["celsius", "kelvin"] } },
  required: ["unit"],
  additionalProperties: false,
};

let server: ServerProcess;

beforeAll(async () => {
  server = await startServer(["--alias", MODEL]);
});

afterAll(async () => {
  await server?.stop();
});

async function expectFree({ engine }: ListeningApp): Promise<void> {
  expect(engine.produced()).toBeGreaterThan(0);
  await expect.poll(() => engine.busy(), { timeout: 3000 }).toBe(0);
  expect(engine.produced()).toBeLessThan(1000);
}

/** Mistral's types allow more than text. */
function textIn(content: unknown): string {
  return typeof content === "string" ? content : "";
}

function expectUnit(json: unknown): void {
  expect(["celsius", "kelvin"]).toContain((json as { unit: string }).unit);
}

const openai = (url: string, maxRetries = 0) =>
  new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries });

const mistral = (serverURL: string) => new Mistral({ serverURL, apiKey: "none" });

const ollama = (host: string) => new Ollama({ host });

const anthropic = (baseURL: string, maxRetries = 0) =>
  new Anthropic({ baseURL, apiKey: "none", maxRetries });

const aiSdk = (url: string) =>
  createOpenAICompatible({
    name: "sirocco",
    baseURL: `${url}/v1`,
    apiKey: "none",
    supportsStructuredOutputs: true,
  });

describe("openai", () => {
  test("responses, whole and streamed", async () => {
    const client = openai(server.url);
    const asked = { model: MODEL, input: QUESTION, temperature: 0 };
    expect((await client.responses.create(asked)).output_text).toBe(ANSWER);
    const stream = client.responses.stream(asked);
    let text = "";
    stream.on("response.output_text.delta", ({ delta }) => (text += delta));
    expect((await stream.finalResponse()).output_text).toBe(ANSWER);
    expect(text).toBe(ANSWER);
  });

  test("a tool that has to be called, streamed and by responses", async () => {
    const client = openai(server.url);
    const stream = client.chat.completions.stream({
      model: MODEL,
      messages: turns,
      tools: [{ type: "function", function: { name: "heat", parameters: PARAMETERS } }],
      tool_choice: "required",
    });
    const { message, finish_reason: reason } = (await stream.finalChatCompletion()).choices[0]!;
    expect(reason).toBe("tool_calls");
    for (const call of message.tool_calls!) {
      if (call.type === "function") expectUnit(JSON.parse(call.function.arguments));
    }
    const { output } = await client.responses.create({
      model: MODEL,
      input: QUESTION,
      tools: [{ type: "function", name: "heat", parameters: PARAMETERS, strict: true }],
      tool_choice: "required",
    });
    const calls = output.filter((item) => item.type === "function_call");
    expect(calls.length).toBeGreaterThan(0);
    for (const call of calls) expectUnit(JSON.parse(call.arguments));
  });

  test("an answer of a given form", async () => {
    const completion = await openai(server.url).chat.completions.parse({
      model: MODEL,
      messages: turns,
      response_format: { type: "json_schema", json_schema: { name: "s", schema: SCHEMA } },
    });
    expect(typeof JSON.parse(completion.choices[0]!.message.content!).fine).toBe("boolean");
  });

  test("embeddings, which it asks for in base64, are the same as numbers", async () => {
    const client = openai(server.url);
    const input = ["What is a KV cache?", "Once upon a time"];
    const packed = await client.embeddings.create({ model: MODEL, input });
    const plain = await client.embeddings.create({ model: MODEL, input, encoding_format: "float" });
    expect(packed.data).toEqual(plain.data);
    for (const { embedding } of plain.data) expect(Math.hypot(...embedding)).toBeCloseTo(1, 5);
    expect(plain.data[0]!.embedding).not.toEqual(plain.data[1]!.embedding);
  });

  test("errors are of its own classes", async () => {
    const client = openai(server.url);
    const absent = client.chat.completions.create({ model: "absent", messages: turns });
    await expect(absent).rejects.toBeInstanceOf(OpenAINotFound);
    const bad = client.responses.create({ model: MODEL, input: "hi", store: true });
    await expect(bad).rejects.toMatchObject({ status: 400, param: "store" });
  });

  test(
    "a full queue and a server that is not ready are tried again",
    { timeout: 20_000 },
    async () => {
      const app = await listenFlaky("QUEUE_FULL", "NOT_READY");
      const completion = await openai(app.url, 2).chat.completions.create({
        model: "m",
        messages: turns,
      });
      expect(completion.choices[0]!.message.content).toBe("ok");
      expect(app.engine.requests).toHaveLength(3);
    },
  );
});

describe("@mistralai/mistralai", () => {
  test("chat, whole and streamed, with its own parameters", async () => {
    const client = mistral(server.url);
    const asked = { model: MODEL, messages: turns, temperature: 0, randomSeed: 1 };
    const whole = await client.chat.complete(asked);
    expect(whole.choices[0]?.message?.content).toBe(ANSWER);
    let text = "";
    for await (const { data } of await client.chat.stream(asked)) {
      text += textIn(data.choices[0]?.delta.content);
    }
    expect(text).toBe(ANSWER);
    const prefix = { role: "assistant" as const, content: "A circuit", prefix: true };
    const begun = await client.chat.complete({ ...asked, messages: [...turns, prefix] });
    expect(begun.choices[0]?.message?.content).toMatch(/^A circuit/);
  });

  test("a tool that has to be called, an answer of a given form, embeddings and models", async () => {
    const client = mistral(server.url);
    const called = await client.chat.complete({
      model: MODEL,
      messages: turns,
      tools: [{ type: "function", function: { name: "heat", parameters: PARAMETERS } }],
      toolChoice: "any",
    });
    const [call] = called.choices[0]?.message?.toolCalls ?? [];
    expectUnit(JSON.parse(textIn(call?.function.arguments)));
    const formed = await client.chat.complete({
      model: MODEL,
      messages: turns,
      responseFormat: {
        type: "json_schema",
        jsonSchema: { name: "s", schemaDefinition: SCHEMA, strict: true },
      },
    });
    expect(typeof JSON.parse(textIn(formed.choices[0]?.message?.content)).fine).toBe("boolean");
    const { data } = await client.embeddings.create({ model: MODEL, inputs: ["a", "b"] });
    expect(data.map(({ embedding }) => Math.hypot(...embedding!).toFixed(3))).toEqual([
      "1.000",
      "1.000",
    ]);
    const models = await client.models.list();
    expect(models.data?.[0]).toMatchObject({ capabilities: { completionChat: true } });
  });

  test("errors are of its own classes", async () => {
    const client = mistral(server.url);
    const gap = client.fim.complete({ model: MODEL, prompt: "a", suffix: "b" });
    await expect(gap).rejects.toBeInstanceOf(HTTPValidationError);
    const absent = client.chat.complete({ model: "absent", messages: turns });
    await expect(absent).rejects.toBeInstanceOf(MistralError);
    await expect(absent).rejects.toMatchObject({ statusCode: 404 });
  });

  test("a full queue is tried again, and who leaves frees the engine", async () => {
    const app = await listenFlaky("QUEUE_FULL");
    const backoff = { initialInterval: 10, maxInterval: 50, exponent: 1.5, maxElapsedTime: 5000 };
    const retries = { strategy: "backoff" as const, backoff, retryConnectionErrors: false };
    const asked = { model: "m", messages: turns };
    const whole = await mistral(app.url).chat.complete(asked, { retries });
    expect(whole.choices[0]?.message?.content).toBe("ok");
    const slow = await listenSlow();
    const leaving = new AbortController();
    const fetchOptions = { signal: leaving.signal };
    const stream = await mistral(slow.url).chat.stream(asked, { fetchOptions });
    for await (const _ of stream) break;
    leaving.abort();
    await expectFree(slow);
  });
});

describe("ollama", () => {
  const options = { temperature: 0, repeat_penalty: 1 };

  test("chat and generate, whole and streamed", async () => {
    const client = ollama(server.url);
    const asked = { model: MODEL, messages: turns, options };
    expect((await client.chat(asked)).message.content).toBe(ANSWER);
    let text = "";
    for await (const { message } of await client.chat({ ...asked, stream: true })) {
      text += message.content;
    }
    expect(text).toBe(ANSWER);
    const generated = await client.generate({ model: MODEL, prompt: QUESTION, options });
    expect(generated.response).toBe(ANSWER);
    expect(generated).toMatchObject({ done: true, done_reason: "stop" });
  });

  test("an answer of a given form, tools, embeddings and models", async () => {
    const client = ollama(server.url);
    const formed = await client.chat({ model: MODEL, messages: turns, format: SCHEMA });
    expect(typeof JSON.parse(formed.message.content).fine).toBe("boolean");
    const { embeddings } = await client.embed({ model: MODEL, input: ["a", "b"] });
    expect(embeddings.map((one) => Math.hypot(...one).toFixed(3))).toEqual(["1.000", "1.000"]);
    expect((await client.list()).models[0]?.details.quantization_level).toBe("Q8_0");
    expect((await client.show({ model: MODEL })).capabilities).toContain("tools");
    expect((await client.ps()).models).toHaveLength(1);
    const reply = '<tool_call>\n{"name":"heat","arguments":{"unit":"kelvin"}}\n</tool_call>';
    const calling = await listenScripted({ reply });
    const tools = [
      { type: "function", function: { name: "heat", parameters: { type: "object" } } },
    ];
    const called = await ollama(calling.url).chat({ model: "m", messages: turns, tools });
    expect(called.message.tool_calls).toMatchObject([
      { function: { name: "heat", arguments: { unit: "kelvin" } } },
    ]);
  });

  test("errors tell the status, and who leaves frees the engine", async () => {
    const absent = ollama(server.url).chat({ model: "absent", messages: turns });
    await expect(absent).rejects.toMatchObject({ name: "ResponseError", status_code: 404 });
    const full = await listenFlaky("QUEUE_FULL");
    // This client never tries again by itself.
    const refused = ollama(full.url).chat({ model: "m", messages: turns });
    await expect(refused).rejects.toMatchObject({ status_code: 429 });
    const slow = await listenSlow();
    const stream = await ollama(slow.url).chat({ model: "m", messages: turns, stream: true });
    for await (const _ of stream) break;
    stream.abort();
    await expectFree(slow);
  });
});

describe("@anthropic-ai/sdk", () => {
  const asked = { model: MODEL, messages: turns, max_tokens: 200, temperature: 0 };

  test("messages, whole, streamed and counted", async () => {
    const client = anthropic(server.url);
    const whole = await client.messages.create(asked);
    expect(whole.content).toMatchObject([{ type: "text", text: ANSWER }]);
    expect(whole.stop_reason).toBe("end_turn");
    const stream = client.messages.stream(asked);
    let text = "";
    stream.on("text", (piece) => (text += piece));
    const final = await stream.finalMessage();
    expect(text).toBe(ANSWER);
    expect(final.content).toMatchObject(whole.content);
    const { input_tokens: tokens } = await client.messages.countTokens({
      model: MODEL,
      messages: turns,
    });
    const { usage } = whole;
    expect(usage.input_tokens + usage.cache_read_input_tokens!).toBe(tokens);
  });

  test("a tool that has to be called, and an answer of a given form", async () => {
    const client = anthropic(server.url);
    const stream = client.messages.stream({
      ...asked,
      tools: [{ name: "heat", input_schema: { ...PARAMETERS, type: "object" } }],
      tool_choice: { type: "any" },
    });
    const { content, stop_reason: reason } = await stream.finalMessage();
    expect(reason).toBe("tool_use");
    for (const block of content) if (block.type === "tool_use") expectUnit(block.input);
    const formed = await client.messages.create({
      ...asked,
      output_config: { format: { type: "json_schema", schema: SCHEMA } },
    });
    const [block] = formed.content;
    expect(typeof JSON.parse(block?.type === "text" ? block.text : "").fine).toBe("boolean");
  });

  test("errors are of its own classes, and tell the request's id", async () => {
    const absent = anthropic(server.url).messages.create({ ...asked, model: "absent" });
    await expect(absent).rejects.toBeInstanceOf(AnthropicNotFound);
    await expect(absent).rejects.toMatchObject({
      type: "not_found_error",
      requestID: expect.any(String),
    });
  });

  test("a full queue is tried again, and who leaves frees the engine", async () => {
    const app = await listenFlaky("QUEUE_FULL");
    const whole = await anthropic(app.url, 1).messages.create({ ...asked, model: "m" });
    expect(whole.content).toMatchObject([{ text: "ok" }]);
    const slow = await listenSlow();
    const stream = anthropic(slow.url).messages.stream({ ...asked, model: "m", max_tokens: 2000 });
    for await (const event of stream) if (event.type === "content_block_delta") break;
    stream.abort();
    await expectFree(slow);
  });
});

describe("@ai-sdk/openai-compatible", () => {
  test("text, whole and streamed", async () => {
    const model = aiSdk(server.url)(MODEL);
    const asked = { model, prompt: QUESTION, temperature: 0, maxRetries: 0 };
    expect((await ai.generateText(asked)).text).toBe(ANSWER);
    let text = "";
    for await (const piece of ai.streamText(asked).textStream) text += piece;
    expect(text).toBe(ANSWER);
  });

  test("a tool that has to be called, an answer of a given form, and embeddings", async () => {
    const provider = aiSdk(server.url);
    // Its types of tools do not go with `exactOptionalPropertyTypes`.
    const tools = { heat: { inputSchema: ai.jsonSchema(PARAMETERS as never) } } as ai.ToolSet;
    const asked = { model: provider(MODEL), prompt: QUESTION, maxRetries: 0 };
    const called = await ai.generateText({ ...asked, tools, toolChoice: "required" });
    expect(called.toolCalls.length).toBeGreaterThan(0);
    for (const { input } of called.toolCalls) expectUnit(input);
    const schema = ai.jsonSchema<{ fine: boolean }>(SCHEMA as never);
    const formed = await ai.generateText({ ...asked, output: ai.Output.object({ schema }) });
    expect(typeof formed.output.fine).toBe("boolean");
    const model = provider.embeddingModel(MODEL);
    const { embeddings } = await ai.embedMany({ model, values: ["a", "b"], maxRetries: 0 });
    expect(embeddings.map((one) => Math.hypot(...one).toFixed(3))).toEqual(["1.000", "1.000"]);
  });

  test("errors, retries and leaving", async () => {
    const absent = ai.generateText({
      model: aiSdk(server.url)("absent"),
      prompt: "hi",
      maxRetries: 0,
    });
    await expect(absent).rejects.toMatchObject({ statusCode: 404 });
    const app = await listenFlaky("QUEUE_FULL");
    const model = aiSdk(app.url)("m");
    expect((await ai.generateText({ model, prompt: "hi", maxRetries: 1 })).text).toBe("ok");
    const slow = await listenSlow();
    const leaving = new AbortController();
    const stream = ai.streamText({
      model: aiSdk(slow.url)("m"),
      prompt: "hi",
      abortSignal: leaving.signal,
    });
    for await (const _ of stream.textStream) break;
    leaving.abort();
    await expectFree(slow);
  });
});
