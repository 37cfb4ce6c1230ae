import { expect, test } from "vitest";
import { createScriptedApp, eventsOf } from "../../fixtures/scripted-app.ts";
import { BOS } from "../../fixtures/scripted-engine.ts";

const PATH = "/v1/chat/completions";
const hello = { model: "m", messages: [{ role: "user", content: "hi" }] };

test("POST /v1/chat/completions answers with OpenAI's chat.completion", async () => {
  const { post, engine } = createScriptedApp({ reply: "Hello" });
  const response = await post(PATH, hello);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toMatch(/^application\/json/);
  expect(await response.json()).toEqual({
    id: "chatcmpl-id2",
    object: "chat.completion",
    created: 1_790_000_000,
    model: "m",
    system_fingerprint: "fp_ce74da4cfb7b",
    choices: [
      {
        index: 0,
        message: { role: "assistant", content: "Hello", refusal: null },
        logprobs: null,
        finish_reason: "stop",
      },
    ],
    usage: {
      prompt_tokens: 10,
      completion_tokens: 5,
      total_tokens: 15,
      prompt_tokens_details: { cached_tokens: 0 },
    },
    timings: expect.objectContaining({ prompt_n: 10, predicted_n: 5, queue_ms: 1, prompt_ms: 2 }),
  });
  expect(engine.requests[0]?.tokens).toEqual([BOS, ...new TextEncoder().encode("user: hi\n")]);
});

test("POST /v1/chat/completions tells processing and stage times", async () => {
  const { post } = createScriptedApp({ reply: "Hello" });
  const { headers } = await post(PATH, hello);
  expect(headers.get("openai-processing-ms")).toMatch(/^\d+$/);
  expect(headers.get("server-timing")).toMatch(
    /^queue;dur=1\.0, tok;dur=[\d.]+, prefill;dur=2\.0, ttft;dur=[\d.]+, decode;dur=[\d.]+$/,
  );
});

test("POST /v1/chat/completions streams frames exactly as OpenAI writes them", async () => {
  const { post } = createScriptedApp({ reply: "Hé" });
  const response = await post(PATH, { ...hello, stream: true });
  expect(Object.fromEntries(response.headers)).toMatchObject({
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",
  });
  const head =
    '"id":"chatcmpl-id2","created":1790000000,"model":"m","system_fingerprint":"fp_ce74da4cfb7b","object":"chat.completion.chunk"';
  const chunk = (delta: string, reason: string) =>
    `data: {${head},"choices":[{"index":0,"delta":${delta},"logprobs":null,"finish_reason":${reason}}]}\n\n`;
  expect(await response.text()).toBe(
    chunk('{"role":"assistant","content":"","refusal":null}', "null") +
      chunk('{"content":"H"}', "null") +
      chunk('{"content":"é"}', "null") +
      chunk("{}", '"stop"') +
      "data: [DONE]\n\n",
  );
});

test("stream_options.include_usage adds a chunk without choices and a null usage to all others", async () => {
  const { post } = createScriptedApp({ reply: "abc" });
  const options = { stream: true, stream_options: { include_usage: true }, max_tokens: 2 };
  const response = await post(PATH, { ...hello, ...options });
  const body = await response.text();
  expect(body.endsWith("data: [DONE]\n\n")).toBe(true);
  const events = body
    .split("\n\n")
    .filter((frame) => frame.startsWith("data: {"))
    .map((frame) => JSON.parse(frame.slice(6)));
  expect(events.map(({ usage }) => usage)).toEqual([
    null,
    null,
    null,
    null,
    {
      prompt_tokens: 10,
      completion_tokens: 2,
      total_tokens: 12,
      prompt_tokens_details: { cached_tokens: 0 },
    },
  ]);
  expect(events.at(-1)).toMatchObject({ choices: [], timings: { predicted_n: 2 } });
  expect(events.at(-2).choices[0].finish_reason).toBe("length");
});

test("a stream and an answer in one piece have the same text", async () => {
  const { post } = createScriptedApp({ reply: "naïve 😀 text STOP more" });
  const request = { ...hello, stop: ["STOP"] };
  const whole = await (await post(PATH, request)).json();
  const events = await eventsOf(await post(PATH, { ...request, stream: true }));
  const pieces = events.map((event) => {
    const [choice] = event["choices"] as { delta: { content?: string } }[];
    return choice?.delta.content ?? "";
  });
  expect(pieces.join("")).toBe("naïve 😀 text ");
  expect(whole.choices[0].message.content).toBe(pieces.join(""));
  expect(whole.choices[0].finish_reason).toBe("stop");
});

/** What is reported for a token that is one byte of a longer character. */
const half = (byte: number) => {
  const one = { token: `bytes:\\x${byte.toString(16)}`, logprob: -0.5, bytes: [byte] };
  return { ...one, top_logprobs: [one] };
};

test("logprobs are reported per token with bytes and alternatives", async () => {
  const { post } = createScriptedApp({ reply: "é" });
  const response = await post(PATH, { ...hello, logprobs: true, top_logprobs: 1 });
  const { choices } = await response.json();
  expect(choices[0].logprobs).toEqual({ content: [half(0xc3), half(0xa9)], refusal: null });
  const events = await eventsOf(await post(PATH, { ...hello, logprobs: true, stream: true }));
  expect(events[1]).toMatchObject({
    choices: [{ logprobs: { content: [{ top_logprobs: [] }, {}], refusal: null } }],
  });
});

test("sampling parameters reach the engine, with OpenAI's defaults for absent ones", async () => {
  const { post, engine } = createScriptedApp({ reply: "x" });
  await post(PATH, hello);
  expect(engine.requests[0]?.sampling).toEqual({
    temperature: 1,
    topK: 0,
    topP: 1,
    minP: 0,
    typicalP: 1,
    repeatPenalty: 1,
    repeatLastN: 64,
    presencePenalty: 0,
    frequencyPenalty: 0,
    logitBias: [],
    seed: expect.any(Number),
  });
  expect(engine.requests[0]?.maxTokens).toBe(4096 - 10);
  await post(PATH, {
    ...hello,
    temperature: 0,
    top_k: 40,
    top_p: 0.9,
    min_p: 0.05,
    typical_p: 0.8,
    repeat_penalty: 1.1,
    repeat_last_n: -1,
    presence_penalty: -1,
    frequency_penalty: 2,
    logit_bias: { "7": -100, "65": 3.5 },
    random_seed: -1,
    max_completion_tokens: 5,
  });
  expect(engine.requests[1]?.sampling).toEqual({
    temperature: 0,
    topK: 40,
    topP: 0.9,
    minP: 0.05,
    typicalP: 0.8,
    repeatPenalty: 1.1,
    repeatLastN: -1,
    presencePenalty: -1,
    frequencyPenalty: 2,
    logitBias: [
      [7, -100],
      [65, 3.5],
    ],
    seed: 2 ** 32 - 1,
  });
  expect(engine.requests[1]?.maxTokens).toBe(5);
});

test("an absent seed is drawn anew for every request, a given one is reduced to 32 bits", async () => {
  const { post, engine } = createScriptedApp({ reply: "x" });
  for (let i = 0; i < 8; i++) await post(PATH, hello);
  const seeds = new Set(engine.requests.map(({ sampling }) => sampling.seed));
  expect(seeds.size).toBeGreaterThan(1);
  await post(PATH, { ...hello, seed: 2 ** 32 + 5 });
  expect(engine.requests.at(-1)?.sampling.seed).toBe(5);
});

test("parameters that change nothing are accepted and named in x-sirocco-ignored", async () => {
  const { post } = createScriptedApp({ reply: "x" });
  const response = await post(PATH, {
    ...hello,
    user: "u",
    metadata: { a: "b" },
    store: false,
    safety_identifier: "s",
    prompt_cache_key: null,
    service_tier: "auto",
    stream: true,
    stream_options: { include_obfuscation: true },
    n: 1,
    response_format: { type: "text" },
    tools: null,
  });
  expect(response.status).toBe(200);
  expect(response.headers.get("x-sirocco-ignored")).toBe(
    "user, metadata, store, safety_identifier, service_tier, stream_options.include_obfuscation",
  );
  await response.text();
});

test("messages may have text parts, earlier calls and their results; developer means system", async () => {
  const { post, engine } = createScriptedApp({ reply: "x" });
  const response = await post(PATH, {
    ...hello,
    messages: [
      { role: "developer", content: "be brief" },
      {
        role: "user",
        content: [
          { type: "text", text: "a" },
          { type: "text", text: "b" },
        ],
      },
      {
        role: "assistant",
        content: null,
        refusal: null,
        tool_calls: [{ id: "c", type: "function", function: { name: "f", arguments: '{"x":1}' } }],
      },
      { role: "tool", tool_call_id: "c", content: "1" },
    ],
  });
  expect(response.status).toBe(200);
  const prompt = new TextDecoder().decode(Uint8Array.from(engine.requests[0]!.tokens.slice(1)));
  expect(prompt).toBe("system: be brief\nuser: ab\nassistant: \ntool: 1\n");
});

test("an alias names the model; the answer has its id", async () => {
  const { post } = createScriptedApp({ reply: "x" });
  const response = await post(PATH, { ...hello, model: "organisation/m" });
  expect(await response.json()).toMatchObject({ model: "m" });
});

test("a prompt as long as the context is refused with the numbers, a longer answer is cut", async () => {
  const { post, engine } = createScriptedApp({ reply: "abcdef" }, {}, { contextLength: 12 });
  const cut = await post(PATH, { ...hello, max_tokens: 100 });
  expect(await cut.json()).toMatchObject({
    choices: [{ message: { content: "ab" }, finish_reason: "length" }],
  });
  const refused = await post(PATH, { model: "m", messages: [{ role: "user", content: "hi all" }] });
  expect(refused.status).toBe(400);
  expect(await refused.json()).toEqual({
    error: {
      message:
        "This model's maximum context length is 12 tokens, prompt and answer together; the prompt has 14. Shorten it",
      type: "invalid_request_error",
      param: "messages",
      code: "context_length_exceeded",
    },
  });
  expect(engine.requests).toHaveLength(1);
});

test("a model without a chat template refuses conversations", async () => {
  const { post } = createScriptedApp({ reply: "x" }, {}, { template: undefined });
  const response = await post(PATH, hello);
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ error: { param: "model" } });
});
