import { expect, test } from "vitest";
import { createScriptedApp } from "../../fixtures/scripted-app.ts";

const PATH = "/v1/responses";
const hello = { model: "m", input: "hi" };
const promptOf = (tokens: readonly number[]): string =>
  new TextDecoder().decode(Uint8Array.from(tokens.slice(1)));

test("POST /v1/responses answers with OpenAI's response", async () => {
  const { post, engine } = createScriptedApp({ reply: "Hello" });
  const response = await post(PATH, { ...hello, instructions: "Be brief.", metadata: { a: "b" } });
  expect(await response.json()).toMatchObject({
    id: "resp_id2",
    object: "response",
    created_at: 1_790_000_000,
    status: "completed",
    model: "m",
    output: [
      {
        id: "msg_id2",
        type: "message",
        status: "completed",
        role: "assistant",
        content: [{ type: "output_text", text: "Hello", annotations: [], logprobs: [] }],
      },
    ],
    usage: { input_tokens: 28, output_tokens: 5, total_tokens: 33 },
    store: false,
    instructions: "Be brief.",
    metadata: { a: "b" },
  });
  expect(promptOf(engine.requests[0]!.tokens)).toBe("system: Be brief.\nuser: hi\n");
});

test("POST /v1/responses streams numbered events that add up to the response", async () => {
  const { post } = createScriptedApp({ reply: "Hé" });
  const body = await (await post(PATH, { ...hello, stream: true })).text();
  const frames = body.split("\n\n").slice(0, -1);
  const events = frames.map((frame) => JSON.parse(frame.slice(frame.indexOf("data: ") + 6)));
  expect(frames.map((frame) => /^event: (\S+)\n/.exec(frame)?.[1])).toEqual(
    events.map(({ type }) => type),
  );
  expect(events.map(({ type }) => type)).toEqual([
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.completed",
  ]);
  expect(events.map(({ sequence_number: n }) => n)).toEqual(events.map((_, i) => i));
  const whole = await (await post(PATH, hello)).json();
  const { response } = events.at(-1)!;
  expect({ ...response, id: "", output: [] }).toEqual({ ...whole, id: "", output: [] });
  expect(response.output[0].content).toEqual(whole.output[0].content);
});

test("an answer that was cut short is incomplete", async () => {
  const { post } = createScriptedApp({ reply: "Hello" });
  const body = await (await post(PATH, { ...hello, max_output_tokens: 2 })).json();
  expect(body).toMatchObject({
    status: "incomplete",
    incomplete_details: { reason: "max_output_tokens" },
    output: [{ status: "incomplete", content: [{ text: "He" }] }],
  });
  const streamed = await post(PATH, { ...hello, max_output_tokens: 2, stream: true });
  expect(await streamed.text()).toContain("event: response.incomplete\n");
});

test("items of an earlier response go in as they came out", async () => {
  const seen: unknown[] = [];
  const template = {
    readsClock: false,
    toolForm: "hermes" as const,
    render: () => "",
    tokens: (messages: unknown) => {
      seen.push(messages);
      return [1];
    },
  };
  const { post } = createScriptedApp({ reply: "x" }, {}, { template });
  const { output } = await (await post(PATH, hello)).json();
  const call = {
    type: "function_call",
    id: "fc_1",
    call_id: "c1",
    name: "f",
    arguments: '{"a":1}',
  };
  const input = [
    { role: "user", content: [{ type: "input_text", text: "hi" }] },
    ...output,
    { ...call, status: "completed" },
    { type: "function_call_output", call_id: "c1", output: "2" },
  ];
  expect((await post(PATH, { model: "m", input })).status).toBe(200);
  expect(seen[1]).toEqual([
    { role: "user", content: "hi" },
    {
      role: "assistant",
      content: "x",
      toolCalls: [{ id: "c1", function: { name: "f", arguments: { a: 1 } } }],
    },
    { role: "tool", toolCallId: "c1", content: "2" },
  ]);
});

test("what would need a store, and items that are not served, are refused by name", async () => {
  const { post } = createScriptedApp({ reply: "x" });
  const cases: [string, object][] = [
    ["store", { store: true }],
    ["previous_response_id", { previous_response_id: "resp_1" }],
    ["conversation", { conversation: "conv_1" }],
    ["background", { background: true }],
    ["include[0]", { include: ["reasoning.encrypted_content"] }],
    ["input[0].type", { input: [{ type: "reasoning", summary: [] }] }],
    ["text.verbosity", { text: { verbosity: "low" } }],
  ];
  for (const [param, fields] of cases) {
    const response = await post(PATH, { ...hello, ...fields });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      error: { code: "unsupported_parameter", param },
    });
  }
  const neutral = { store: false, background: false, truncation: "disabled", include: [] };
  expect((await post(PATH, { ...hello, ...neutral })).status).toBe(200);
});

test("a stream that fails ends with an error", async () => {
  const { post } = createScriptedApp({ reply: "abc", failAt: { index: 1, error: "INTERNAL" } });
  const body = await (await post(PATH, { ...hello, stream: true })).text();
  expect(body).toMatch(/event: error\ndata: \{"type":"error","sequence_number":5,.*\}\n\n$/);
});
