import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createScriptedApp } from "../../fixtures/scripted-app.ts";

const CHAT = "/v1/chat/completions";
const COMPLETIONS = "/v1/completions";
const hello = { model: "m", messages: [{ role: "user", content: "hi" }] };
const plain = { model: "m", prompt: "hi" };
const { post } = createScriptedApp({ reply: "x" });

async function errorOf(path: string, body: unknown): Promise<Record<string, unknown>> {
  const response = await post(path, body);
  const { error } = await response.json();
  expect(response.status, JSON.stringify(error)).toBe(400);
  expect(Object.keys(error).toSorted()).toEqual(["code", "message", "param", "type"]);
  expect(error.type).toBe("invalid_request_error");
  return error;
}

/** Every numeric field with its bounds. */
const NUMBERS: Record<string, readonly [min: number, max: number]> = {
  temperature: [0, 2],
  top_p: [0, 1],
  top_k: [0, 1_000_000],
  min_p: [0, 1],
  typical_p: [0, 1],
  repeat_penalty: [0.01, 10],
  repeat_last_n: [-1, 1_048_576],
  presence_penalty: [-2, 2],
  frequency_penalty: [-2, 2],
  max_tokens: [1, 2 ** 31 - 1],
  max_completion_tokens: [1, 2 ** 31 - 1],
  seed: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  random_seed: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  top_logprobs: [0, 20],
  n: [1, 128],
};

describe.each(Object.entries(NUMBERS))("%s", (field, [min, max]) => {
  const base = field === "top_logprobs" ? { ...hello, logprobs: true } : hello;

  test("takes its bounds and null", async () => {
    for (const value of [min, max, null]) {
      const response = await post(CHAT, { ...base, [field]: value });
      expect(response.status, `${field}: ${value}`).toBe(200);
    }
  });

  test("refuses everything else by name", async () => {
    const step = Number.isSafeInteger(max + 1) ? 1 : 2 ** 53;
    const wrong = [min - step, max + step, 2 ** 53, -(2 ** 53), "NaN", "1", [1], [], {}, true, ""];
    for (const value of wrong) {
      const error = await errorOf(CHAT, { ...base, [field]: value });
      expect(error["param"], JSON.stringify(value)).toBe(field);
    }
    // JSON has no infinity, but numbers that become it.
    const infinite = JSON.stringify({ ...base, [field]: 0.5 }).replace(
      `"${field}":0.5`,
      `"${field}":1e999`,
    );
    expect((await errorOf(CHAT, infinite))["param"]).toBe(field);
  });
});

test("no value of any field makes anything but 200 or 400, or 404 for a model", async () => {
  const fields = [
    ...Object.keys(NUMBERS),
    "stop",
    "stream_options",
    "logit_bias",
    "messages",
    "model",
  ];
  fields.push("stream", "logprobs", "user", "metadata", "response_format", "tools", "store");
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...fields),
      fc.jsonValue({ maxDepth: 3 }),
      async (field, value) => {
        const response = await post(CHAT, { ...hello, [field]: value });
        expect(field === "model" ? [200, 400, 404] : [200, 400]).toContain(response.status);
        await response.body?.cancel();
      },
    ),
    { numRuns: 1500 },
  );
});

test("known parameters that are not served are refused by name", async () => {
  const cases: Record<string, unknown> = {
    functions: [],
    function_call: "none",
    audio: {},
    modalities: ["text", "audio"],
    prediction: {},
    web_search_options: {},
    reasoning_effort: "low",
    verbosity: "low",
    store: true,
    moderation: {},
  };
  for (const [param, value] of Object.entries(cases)) {
    const error = await errorOf(CHAT, { ...hello, [param]: value });
    expect(error).toMatchObject({ code: "unsupported_parameter", param });
    expect((await post(CHAT, { ...hello, [param]: null })).status).toBe(200);
  }
});

test("parameters that nobody knows are refused by name, at every depth", async () => {
  const cases: [string, object][] = [
    ["tempurature", { ...hello, tempurature: 1 }],
    ["messages[0].colour", { ...hello, messages: [{ ...hello.messages[0], colour: 1 }] }],
    ["stream_options.x", { ...hello, stream: true, stream_options: { x: 1 } }],
    ["prompt", { ...hello, prompt: "x" }],
  ];
  for (const [param, body] of cases) {
    expect(await errorOf(CHAT, body)).toMatchObject({ code: "unsupported_parameter", param });
  }
});

test("__proto__ and constructor are fields like any unknown one and change nothing", async () => {
  for (const name of ["__proto__", "constructor", "prototype", "toString"]) {
    const body = JSON.stringify(hello).replace("{", `{"${name}":{"polluted":true},`);
    const error = await errorOf(CHAT, body);
    expect(error).toMatchObject({ code: "unsupported_parameter", param: name });
  }
  const inside = JSON.stringify({ ...hello, logit_bias: {} }).replace(
    '"logit_bias":{}',
    '"logit_bias":{"__proto__":1}',
  );
  await errorOf(CHAT, inside);
  expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  // Of two fields with one name the last counts, as JSON.parse has it.
  const twice = JSON.stringify(hello).replace("{", '{"model":"other",');
  expect((await post(CHAT, twice)).status).toBe(200);
});

test("messages are checked one by one", async () => {
  const user = { role: "user", content: "x" };
  const call = { id: "c", type: "function", function: { name: "f", arguments: "{}" } };
  const cases: [string, unknown][] = [
    ["messages", []],
    ["messages", "hi"],
    ["messages", Array.from({ length: 1025 }, () => user)],
    ["messages[0]", ["hi"]],
    ["messages[0].role", [{ content: "x" }]],
    ["messages[0].role", [{ role: "robot", content: "x" }]],
    ["messages[1].content", [user, { role: "user" }]],
    ["messages[0].content", [{ role: "user", content: 5 }]],
    ["messages[0].content", [{ role: "user", content: null }]],
    ["messages[0].content", [{ role: "user", content: [] }]],
    ["messages[0].content[0].text", [{ role: "user", content: [{ type: "text" }] }]],
    ["messages[0].content[0].type", [{ role: "user", content: [{ type: "x" }] }]],
    ["messages[0].content[0]", [{ role: "user", content: ["x"] }]],
    ["messages[0].name", [{ ...user, name: "x".repeat(65) }]],
    ["messages[0].tool_call_id", [{ ...user, tool_call_id: "c" }]],
    ["messages[0].tool_call_id", [{ role: "tool", content: "x" }]],
    ["messages[0].tool_calls", [{ ...user, tool_calls: [call] }]],
    [
      "messages[0].tool_calls[0].function.arguments",
      [{ role: "assistant", tool_calls: [{ ...call, function: { name: "f", arguments: "{" } }] }],
    ],
    ["messages[0].refusal", [{ role: "assistant", content: "x", refusal: "no" }]],
  ];
  for (const [param, messages] of cases) {
    expect((await errorOf(CHAT, { ...hello, messages }))["param"]).toBe(param);
  }
});

test("parts that are no text are refused as a modality", async () => {
  for (const type of ["image_url", "input_audio", "file"]) {
    const messages = [{ role: "user", content: [{ type: "text", text: "a" }, { type }] }];
    const error = await errorOf(CHAT, { ...hello, messages });
    expect(error).toMatchObject({ code: "unsupported_modality", param: "messages[0].content[1]" });
  }
});

test("stop takes a text or up to 16 of up to 256 characters", async () => {
  const many = Array.from({ length: 16 }, (_, i) => `${i}`.padEnd(256, "x"));
  for (const stop of ["x", [], ["x"], many]) {
    expect((await post(CHAT, { ...hello, stop })).status).toBe(200);
  }
  const cases: [string, unknown][] = [
    ["stop", ""],
    ["stop", 5],
    ["stop", "x".repeat(257)],
    ["stop", [...many, "x"]],
    ["stop[1]", ["a", ""]],
    ["stop[0]", ["\ud83d"]],
  ];
  for (const [param, stop] of cases) {
    expect((await errorOf(CHAT, { ...hello, stop }))["param"]).toBe(param);
  }
});

test("logit_bias takes up to 1024 tokens of the vocabulary", async () => {
  const cases: unknown[] = [
    { "258": 1 },
    { "-1": 1 },
    { "1.5": 1 },
    { a: 1 },
    { "1": 101 },
    { "1": "1" },
    [1],
  ];
  cases.push(Object.fromEntries(Array.from({ length: 1025 }, (_, i) => [i, 1])));
  for (const value of cases) {
    expect((await errorOf(CHAT, { ...hello, logit_bias: value }))["param"]).toMatch(/^logit_bias/);
  }
  expect((await post(CHAT, { ...hello, logit_bias: { "257": -100 } })).status).toBe(200);
});

test("fields that contradict each other are refused", async () => {
  const cases: [string, object][] = [
    ["max_tokens", { max_tokens: 1, max_completion_tokens: 2 }],
    ["random_seed", { seed: 1, random_seed: 2 }],
    ["top_logprobs", { top_logprobs: 2 }],
    ["stream_options", { stream_options: { include_usage: true } }],
  ];
  for (const [param, fields] of cases) {
    expect((await errorOf(CHAT, { ...hello, ...fields }))["param"]).toBe(param);
  }
});

test("missing fields are named", async () => {
  expect((await errorOf(CHAT, { model: "m" }))["message"]).toBe(
    "Cannot accept the request: 'messages' is missing",
  );
  expect((await errorOf(CHAT, { messages: hello.messages }))["param"]).toBe("model");
  expect((await errorOf(COMPLETIONS, { model: "m" }))["param"]).toBe("prompt");
  for (const body of ["[]", "null", "5", '"x"']) await errorOf(CHAT, body);
});

test("POST /v1/completions checks its own fields", async () => {
  const cases: [string, object][] = [
    ["prompt", { prompt: 5 }],
    ["prompt", { prompt: [] }],
    ["prompt[0]", { prompt: [-1] }],
    ["prompt[1]", { prompt: [1, "a"] }],
    ["prompt[0]", { prompt: [[]] }],
    ["prompt[0]", { prompt: [null] }],
    ["logprobs", { logprobs: 6 }],
    ["logprobs", { logprobs: true }],
    ["messages", { messages: [] }],
  ];
  for (const [param, fields] of cases) {
    expect((await errorOf(COMPLETIONS, { ...plain, ...fields }))["param"]).toBe(param);
  }
});

test("an error never repeats more than a little of what was sent", async () => {
  const error = await errorOf(CHAT, { ...hello, temperature: "x".repeat(100_000) });
  expect(String(error["message"]).length).toBeLessThan(300);
  const key = await errorOf(CHAT, { ...hello, ["y".repeat(100_000)]: 1 });
  expect(JSON.stringify(key).length).toBeLessThan(500);
});
