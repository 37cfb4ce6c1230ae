import { expect, test } from "vitest";
import { createScriptedApp } from "../../fixtures/scripted-app.ts";
import { BOS } from "../../fixtures/scripted-engine.ts";

const PATH = "/v1/messages";
const hello = { model: "m", max_tokens: 50, messages: [{ role: "user", content: "hi" }] };
const promptOf = (tokens: readonly number[]): string =>
  new TextDecoder().decode(Uint8Array.from(tokens.slice(1)));

test("POST /v1/messages answers with Anthropic's message", async () => {
  const { post, engine } = createScriptedApp({ reply: "Hello" });
  const response = await post(PATH, { ...hello, system: "Be brief.", top_k: 5 });
  expect(response.headers.get("request-id")).toBe(response.headers.get("x-request-id"));
  expect(await response.json()).toEqual({
    id: "msg_id2",
    type: "message",
    role: "assistant",
    model: "m",
    content: [{ type: "text", text: "Hello", citations: null }],
    stop_reason: "end_turn",
    stop_sequence: null,
    container: null,
    usage: {
      input_tokens: 28,
      output_tokens: 5,
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 0,
    },
  });
  expect(promptOf(engine.requests[0]!.tokens)).toBe("system: Be brief.\nuser: hi\n");
  expect(engine.requests[0]).toMatchObject({ maxTokens: 50, sampling: { topK: 5 } });
});

test("POST /v1/messages streams Anthropic's events, each named as its type", async () => {
  const { post } = createScriptedApp({ reply: "Hé" });
  const response = await post(PATH, { ...hello, stream: true });
  expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
  const events = (await response.text())
    .split("\n\n")
    .slice(0, -1)
    .map((frame) => /^event: (\w+)\ndata: (.*)$/.exec(frame)!)
    .map(([, name, data]) => {
      const event = JSON.parse(data!);
      expect(event.type).toBe(name);
      return event;
    });
  expect(events).toMatchObject([
    { type: "message_start", message: { id: "msg_id2", content: [], usage: { input_tokens: 10 } } },
    { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
    { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "H" } },
    { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "é" } },
    { type: "content_block_stop", index: 0 },
    { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 3 } },
    { type: "message_stop" },
  ]);
});

test("the reason of the end is told as Anthropic tells it", async () => {
  const { post } = createScriptedApp({ reply: "abc" });
  const long = await (await post(PATH, { ...hello, max_tokens: 2 })).json();
  expect(long).toMatchObject({ stop_reason: "max_tokens", stop_sequence: null });
  const stopped = await (await post(PATH, { ...hello, stop_sequences: ["x", "b"] })).json();
  expect(stopped).toMatchObject({
    content: [{ text: "a" }],
    stop_reason: "stop_sequence",
    stop_sequence: "b",
  });
});

test("calls and their results become the conversation that templates know", async () => {
  const seen: unknown[] = [];
  const template = {
    toolForm: "hermes" as const,
    readsClock: false,
    render: () => "",
    tokens: (messages: unknown) => {
      seen.push(messages);
      return [BOS];
    },
  };
  const { post } = createScriptedApp({ reply: "x" }, {}, { template });
  const messages = [
    { role: "user", content: [{ type: "text", text: "weather?" }] },
    {
      role: "assistant",
      content: [
        { type: "text", text: "I look." },
        { type: "tool_use", id: "t1", name: "look", input: { at: "Rome" } },
      ],
    },
    {
      role: "user",
      content: [
        { type: "tool_result", tool_use_id: "t1", content: [{ type: "text", text: "rain" }] },
        { type: "text", text: "and?" },
      ],
    },
  ];
  expect((await post(PATH, { ...hello, messages })).status).toBe(200);
  expect(seen).toEqual([
    [
      { role: "user", content: "weather?" },
      {
        role: "assistant",
        content: "I look.",
        toolCalls: [{ id: "t1", function: { name: "look", arguments: { at: "Rome" } } }],
      },
      { role: "tool", toolCallId: "t1", content: "rain" },
      { role: "user", content: "and?" },
    ],
  ]);
});

test("an answer goes on from the assistant's last message without repeating it", async () => {
  const { post, engine } = createScriptedApp({ reply: " you" });
  const messages = [...hello.messages, { role: "assistant", content: "Hello" }];
  const body = await (await post(PATH, { ...hello, messages })).json();
  expect(body.content).toEqual([{ type: "text", text: " you", citations: null }]);
  expect(promptOf(engine.requests[0]!.tokens)).toBe("user: hi\nHello");
});

test("count_tokens counts what the prompt has", async () => {
  const { post, engine } = createScriptedApp();
  const { max_tokens: _, ...conversation } = hello;
  const response = await post(`${PATH}/count_tokens`, conversation);
  expect(await response.json()).toEqual({ input_tokens: 10 });
  expect(engine.requests).toEqual([]);
});

test("errors have Anthropic's shape and types", async () => {
  const { post, get } = createScriptedApp({
    reply: "abc",
    failAt: { index: 1, error: "QUEUE_FULL" },
  });
  const cases: [Response, number, string][] = [
    [await post(PATH, { ...hello, max_tokens: 0 }), 400, "invalid_request_error"],
    [await post(PATH, { ...hello, colour: 1 }), 400, "invalid_request_error"],
    [await post(PATH, { ...hello, model: "x" }), 404, "not_found_error"],
    [await post(PATH, hello), 429, "rate_limit_error"],
    [await get(PATH), 405, "invalid_request_error"],
  ];
  for (const [response, status, type] of cases) {
    expect(response.status).toBe(status);
    expect(await response.json()).toEqual({
      type: "error",
      error: { type, message: expect.any(String) },
      request_id: response.headers.get("x-request-id"),
    });
  }
  const streamed = await post(PATH, { ...hello, stream: true });
  expect(await streamed.text()).toMatch(/event: error\ndata: \{"type":"error",.*\}\n\n$/);
});

test("marks of caching and whose request it is are named as ignored, the rest is refused by name", async () => {
  const { post } = createScriptedApp({ reply: "x" });
  const part = { type: "text", text: "hi", cache_control: { type: "ephemeral" } };
  const response = await post(PATH, {
    ...hello,
    messages: [{ role: "user", content: [part] }],
    metadata: { user_id: "u" },
    service_tier: "auto",
    thinking: { type: "disabled" },
  });
  expect(response.headers.get("x-sirocco-ignored")).toBe(
    "metadata, service_tier, content.cache_control",
  );
  const refused = [
    { thinking: { type: "enabled", budget_tokens: 1024 } },
    { container: "c" },
    { messages: [{ role: "user", content: [{ type: "image", source: {} }] }] },
  ];
  for (const fields of refused) {
    const { error } = await (await post(PATH, { ...hello, ...fields })).json();
    expect(error.message).toMatch(/Unsupported parameter|reads text only/);
  }
});
