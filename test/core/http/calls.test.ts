import { expect, test } from "vitest";
import { createScriptedApp, type ScriptedApp } from "../../fixtures/scripted-app.ts";

const parameters = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
};
const REPLY =
  'I look.\n<tool_call>\n{"name":"weather","arguments":{"city":"Rome"}}\n</tool_call>\n' +
  '<tool_call>\n{"name":"weather","arguments":{"city":"Bern"}}\n</tool_call>';
const user = { role: "user", content: "hi" };

function app(): ScriptedApp {
  return createScriptedApp({ reply: REPLY });
}

const framesOf = async (response: Response): Promise<Record<string, unknown>[]> =>
  (await response.text())
    .split("\n\n")
    .slice(0, -1)
    .map((frame) => JSON.parse(frame.slice(frame.indexOf("data: ") + 6)));

const wire = { name: "weather", description: "Tells it.", parameters };

test("Anthropic's messages call tools, whole and streamed", async () => {
  const { post, engine } = app();
  const tools = [{ name: "weather", description: "Tells it.", input_schema: parameters }];
  const asked = { model: "m", max_tokens: 500, messages: [user], tools };
  const body = await (await post("/v1/messages", asked)).json();
  expect(body.stop_reason).toBe("tool_use");
  expect(body.content).toMatchObject([
    { type: "text", text: expect.stringContaining("I look.") },
    { type: "tool_use", id: expect.any(String), name: "weather", input: { city: "Rome" } },
    { type: "tool_use", id: expect.any(String), name: "weather", input: { city: "Bern" } },
  ]);
  const events = await framesOf(await post("/v1/messages", { ...asked, stream: true }));
  const begun = events.filter(({ type }) => type === "content_block_start");
  expect(begun).toMatchObject([
    { index: 0, content_block: { type: "text" } },
    { index: 1, content_block: { type: "tool_use", name: "weather", input: {} } },
    { index: 2, content_block: { type: "tool_use", name: "weather", input: {} } },
  ]);
  const json = events
    .filter(({ index, type }) => index === 1 && type === "content_block_delta")
    .map(({ delta }) => (delta as { partial_json: string }).partial_json);
  expect(JSON.parse(json.join(""))).toEqual({ city: "Rome" });
  expect(events.filter(({ type }) => type === "content_block_stop")).toHaveLength(3);
  expect(events.at(-2)).toMatchObject({ delta: { stop_reason: "tool_use" } });
  // The prompt tells of the tool, and nothing but text or valid calls may come.
  expect(engine.requests[0]?.constraint).toBeDefined();
});

test("Anthropic's choice of tools is OpenAI's in other words", async () => {
  const { post, engine } = app();
  const tools = [{ name: "weather", input_schema: parameters }];
  const asked = { model: "m", max_tokens: 500, messages: [user] };
  for (const choice of [
    { type: "any" },
    { type: "tool", name: "weather" },
    { type: "auto", disable_parallel_tool_use: true },
  ]) {
    const response = await post("/v1/messages", { ...asked, tools, tool_choice: choice });
    expect(response.status, JSON.stringify(choice)).toBe(200);
  }
  const keys = engine.requests.map(({ constraint }) => constraint?.grammar);
  expect(new Set(keys.map((grammar) => JSON.stringify(grammar))).size).toBe(3);
  for (const fields of [
    { tool_choice: { type: "any" } },
    { tools, tool_choice: { type: "tool", name: "other" } },
    { tools: [...tools, ...tools] },
    { tools: [{ type: "web_search_20250305", name: "web_search" }] },
  ]) {
    expect((await post("/v1/messages", { ...asked, ...fields })).status).toBe(400);
  }
  const none = { ...asked, tools, tool_choice: { type: "none" } };
  expect((await post("/v1/messages", none)).status).toBe(200);
  expect(engine.requests.at(-1)?.constraint).toBeUndefined();
});

test("Ollama's chat calls tools with objects for arguments, whole and streamed", async () => {
  const { post } = app();
  const tools = [{ type: "function", function: wire }];
  const asked = { model: "m", messages: [user], tools };
  const { message } = await (await post("/api/chat", { ...asked, stream: false })).json();
  const calls = [
    { function: { name: "weather", arguments: { city: "Rome" } } },
    { function: { name: "weather", arguments: { city: "Bern" } } },
  ];
  expect(message.content).toContain("I look.");
  expect(message.tool_calls).toMatchObject(calls);
  const lines = (await (await post("/api/chat", asked)).text()).trim().split("\n");
  const called = lines.map((line) => JSON.parse(line)).filter((one) => one.message.tool_calls);
  expect(called).toMatchObject([{ done: false, message: { tool_calls: calls } }]);
  expect((await post("/api/chat", { ...asked, tools: [] })).status).toBe(200);
});

test("OpenAI's responses call tools, whole and streamed", async () => {
  const { post } = app();
  const tools = [{ type: "function", ...wire, strict: true }];
  const asked = { model: "m", input: "hi", tools };
  const body = await (await post("/v1/responses", asked)).json();
  expect(body).toMatchObject({ status: "completed", tools, tool_choice: "auto" });
  expect(body.output).toMatchObject([
    { type: "message", content: [{ type: "output_text" }] },
    { type: "function_call", name: "weather", arguments: '{"city":"Rome"}' },
    { type: "function_call", name: "weather", arguments: '{"city":"Bern"}' },
  ]);
  const events = await framesOf(await post("/v1/responses", { ...asked, stream: true }));
  const of = (name: string) => events.filter(({ type }) => type === `response.${name}`);
  expect(of("output_item.added")).toMatchObject([
    { output_index: 0, item: { type: "message" } },
    { output_index: 1, item: { type: "function_call", name: "weather", arguments: "" } },
    { output_index: 2, item: { type: "function_call", name: "weather", arguments: "" } },
  ]);
  expect(of("function_call_arguments.done")).toMatchObject([
    { output_index: 1, arguments: '{"city":"Rome"}' },
    { output_index: 2, arguments: '{"city":"Bern"}' },
  ]);
  const pieces = of("function_call_arguments.delta").filter(({ output_index: i }) => i === 1);
  expect(pieces.map(({ delta }) => delta).join("")).toBe('{"city":"Rome"}');
  const { response } = events.at(-1) as { response: { output: object[] } };
  expect(response.output).toHaveLength(3);
});
