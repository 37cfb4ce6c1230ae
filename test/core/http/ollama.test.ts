import { expect, test, vi } from "vitest";
import { createScriptedApp } from "../../fixtures/scripted-app.ts";
import { BOS, byteTokenizer, embeddingOf } from "../../fixtures/scripted-engine.ts";

const CREATED = "2026-09-21T14:13:20.000Z";
const hello = { model: "m", messages: [{ role: "user", content: "hi" }] };
const textOf = (tokens: readonly number[]): string =>
  new TextDecoder().decode(Uint8Array.from(tokens.slice(1)));
const linesOf = async (response: Response): Promise<unknown[]> =>
  (await response.text())
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

const DONE = {
  done: true,
  done_reason: "stop",
  total_duration: expect.any(Number),
  load_duration: 0,
  prompt_eval_count: 10,
  prompt_eval_duration: 2_000_000,
  eval_count: 2,
  eval_duration: expect.any(Number),
};

const say = (content: string) => ({
  model: "m",
  created_at: CREATED,
  message: { role: "assistant", content },
});

test("POST /api/chat streams lines unless told otherwise", async () => {
  const { post } = createScriptedApp({ reply: "Hi" });
  const response = await post("/api/chat", hello);
  expect(response.headers.get("content-type")).toBe("application/x-ndjson");
  expect(await linesOf(response)).toEqual([
    { ...say("H"), done: false },
    { ...say("i"), done: false },
    { ...say(""), ...DONE },
  ]);
  const whole = await post("/api/chat", { ...hello, stream: false });
  expect(await whole.json()).toEqual({ ...say("Hi"), ...DONE });
});

test("a model may be called with the tag latest", async () => {
  const { post } = createScriptedApp({ reply: "x" });
  const response = await post("/api/chat", { ...hello, model: "m:latest", stream: false });
  expect((await response.json()).model).toBe("m");
});

test("options become sampling settings, with Ollama's defaults, and what changes nothing is named", async () => {
  const { post, engine } = createScriptedApp({ reply: "a." });
  const options = { num_predict: 9, seed: 4, top_k: 3, stop: ["."], num_ctx: 2048, num_gpu: 1 };
  const response = await post("/api/chat", { ...hello, options, keep_alive: "5m" });
  expect(response.headers.get("x-sirocco-ignored")).toBe(
    "keep_alive, options.num_ctx, options.num_gpu",
  );
  expect(await linesOf(response)).toHaveLength(2);
  expect(engine.requests[0]).toMatchObject({
    maxTokens: 9,
    sampling: { seed: 4, topK: 3, temperature: 0.8, topP: 0.9, repeatPenalty: 1.1 },
  });
  for (const [param, fields] of [
    ["options.mirostat", { options: { mirostat: 2 } }],
    ["options.colour", { options: { colour: 1 } }],
    ["think", { think: true }],
    ["template", { template: "x" }],
    ["temperature", { temperature: 1 }],
  ] as const) {
    const refused = await post("/api/chat", { ...hello, ...fields });
    expect(refused.status).toBe(400);
    expect((await refused.json()).error).toContain(`'${param}'`);
  }
});

test("POST /api/generate answers a prompt, continues a raw one and fills a gap", async () => {
  const spelling = ["<fim_prefix>", "<fim_suffix>", "<fim_middle>"];
  const tokenizer = {
    ...byteTokenizer,
    vocabSize: 261,
    controlText: (token: number) => spelling[token - 258] ?? byteTokenizer.controlText(token),
  };
  const { post, engine } = createScriptedApp({ reply: "Hi" }, {}, { tokenizer });
  const ask = { model: "m", prompt: "hello", stream: false };
  const answer = await (await post("/api/generate", { ...ask, system: "Be brief." })).json();
  expect(answer).toEqual({
    model: "m",
    created_at: CREATED,
    response: "Hi",
    ...DONE,
    prompt_eval_count: 31,
  });
  await post("/api/generate", { ...ask, raw: true });
  await post("/api/generate", { ...ask, prompt: "a", suffix: "c" });
  expect(textOf(engine.requests[0]!.tokens)).toBe("system: Be brief.\nuser: hello\n");
  expect(textOf(engine.requests[1]!.tokens)).toBe("hello");
  expect(engine.requests[2]!.tokens).toEqual([BOS, 258, 97, 259, 99, 260]);
  expect(await linesOf(await post("/api/generate", { ...ask, stream: true }))).toHaveLength(3);
});

test("log-probabilities come with their text", async () => {
  const { post } = createScriptedApp({ reply: "a" });
  const asked = { ...hello, stream: false, logprobs: true, top_logprobs: 1 };
  expect((await (await post("/api/chat", asked)).json()).logprobs).toEqual([
    {
      token: "a",
      logprob: -0.5,
      bytes: [97],
      top_logprobs: [{ token: "a", logprob: -0.5, bytes: [97] }],
    },
  ]);
});

test("POST /api/embed embeds one text or several, cut off where they are too long", async () => {
  const { post, engine } = createScriptedApp({}, {}, { contextLength: 4 });
  const response = await post("/api/embed", { model: "m", input: ["a", "bcdefg"] });
  const tokens = [BOS, ..."bcd".split("").map((c) => c.charCodeAt(0))];
  expect(engine.embedded[1]?.tokens).toEqual(tokens);
  expect(await response.json()).toEqual({
    model: "m",
    embeddings: [[...embeddingOf([BOS, 97])], [...embeddingOf(tokens)]],
    total_duration: expect.any(Number),
    load_duration: 0,
    prompt_eval_count: 6,
  });
  const whole = await post("/api/embed", { model: "m", input: "bcdefg", truncate: false });
  expect(whole.status).toBe(400);
});

test("models are listed, shown and found running", async () => {
  const { get, post } = createScriptedApp({}, {}, { architecture: "llama", quantization: "Q8_0" });
  const entry = { name: "m", model: "m", size: 1000, digest: "0123456789abcdef0123456789abcdef" };
  const details = { format: "gguf", family: "llama", quantization_level: "Q8_0" };
  expect(await (await get("/api/tags")).json()).toMatchObject({ models: [{ ...entry, details }] });
  expect(await (await get("/api/ps")).json()).toMatchObject({
    models: [{ ...entry, context_length: 4096 }],
  });
  expect(await (await post("/api/show", { model: "m:latest" })).json()).toMatchObject({
    details,
    model_info: { "general.architecture": "llama", "llama.context_length": 4096 },
    capabilities: ["completion", "embedding", "tools"],
  });
  expect(await (await get("/api/version")).json()).toEqual({ version: "1.2.3" });
});

test("errors are Ollama's, also in the middle of a stream", async () => {
  const { post, logs } = createScriptedApp({
    reply: "abc",
    failAt: { index: 1, error: "INTERNAL" },
  });
  const absent = await post("/api/chat", { ...hello, model: "x" });
  expect(absent.status).toBe(404);
  expect(await absent.json()).toEqual({ error: "Cannot find the model 'x': served are 'm'" });
  const lines = await linesOf(await post("/api/chat", hello));
  expect(lines.at(-1)).toEqual({ error: "scripted failure" });
  await vi.waitFor(() => expect(logs.at(-1)).toMatchObject({ status: 500, code: "INTERNAL" }));
});

test("silence is filled with what a line may begin with", async () => {
  const gate = Promise.withResolvers<void>();
  const { post } = createScriptedApp(
    { reply: "a", pace: () => gate.promise },
    { limits: { keepAliveMs: 10 } },
  );
  const reader = (await post("/api/chat", hello)).body!.getReader();
  const decoder = new TextDecoder();
  let body = decoder.decode((await reader.read()).value);
  expect(body).toBe(" ");
  gate.resolve();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    body += decoder.decode(value);
  }
  const lines = body.trim().split("\n");
  expect(lines.map((line) => JSON.parse(line))).toHaveLength(2);
});

test("format holds the answer to JSON, or to a schema", async () => {
  const { post, engine } = createScriptedApp({ reply: "{}" });
  const schema = { type: "object", properties: {}, additionalProperties: false };
  for (const format of ["json", schema]) {
    expect((await post("/api/chat", { ...hello, format, stream: false })).status).toBe(200);
  }
  expect(engine.requests.map(({ constraint }) => constraint !== undefined)).toEqual([true, true]);
  const begun = [...hello.messages, { role: "assistant", content: "{" }];
  const refused = await post("/api/chat", { ...hello, messages: begun, format: "json" });
  expect((await refused.json()).error).toContain("'format'");
});

test("nothing to answer asks only whether the model is there", async () => {
  const { post, engine, logs } = createScriptedApp({ reply: "x" });
  const loaded = {
    model: "m",
    created_at: "2026-09-21T14:13:20.500Z",
    done: true,
    done_reason: "load",
  };
  const message = { role: "assistant", content: "" };
  for (const body of [{ model: "m" }, { model: "m:latest", prompt: "", stream: true }]) {
    const response = await post("/api/generate", body);
    expect(response.headers.get("content-type")).toContain("application/json");
    expect(await response.json()).toEqual({ ...loaded, response: "" });
  }
  for (const body of [{ model: "m" }, { model: "m", messages: [], options: { num_ctx: 1 } }])
    expect(await (await post("/api/chat", body)).json()).toEqual({ ...loaded, message });
  for (const keep of [0, "0", "0s"]) {
    const response = await post("/api/generate", { model: "m", keep_alive: keep });
    expect(await response.json()).toMatchObject({ done: true, done_reason: "unload" });
    // Models stay where they are.
    expect(response.headers.get("x-sirocco-ignored")).toBe("keep_alive");
  }
  expect(engine.requests).toEqual([]);
  expect(logs[0]).toMatchObject({ status: 200, model: "m" });
});

test("nothing to answer is checked like everything else", async () => {
  const { post } = createScriptedApp();
  expect((await post("/api/generate", { model: "none" })).status).toBe(404);
  expect((await post("/api/chat", { model: "none", messages: [] })).status).toBe(404);
  for (const body of [{}, { model: "m", prompt: 1 }, { model: "m", prompt: "", bogus: 1 }, []])
    expect((await post("/api/generate", body)).status).toBe(400);
  expect((await post("/api/chat", { model: "m", messages: "" })).status).toBe(400);
});
