import { expect, test } from "vitest";
import { createScriptedApp } from "../../fixtures/scripted-app.ts";
import { BOS, byteTokenizer, embeddingOf, EOS } from "../../fixtures/scripted-engine.ts";

const PATH = "/v1/embeddings";
const bytes = (text: string): number[] => [...new TextEncoder().encode(text)];
const vectorOf = (text: string): number[] => [...embeddingOf([BOS, ...bytes(text)])];

interface Listed {
  readonly data: { readonly index: number; readonly embedding: number[] | string }[];
  readonly usage: object;
}

test("POST /v1/embeddings answers with OpenAI's list", async () => {
  const { post, engine } = createScriptedApp();
  const response = await post(PATH, { model: "m", input: "hi" });
  expect(await response.json()).toEqual({
    id: "embd-id2",
    object: "list",
    data: [{ object: "embedding", index: 0, embedding: vectorOf("hi") }],
    model: "m",
    usage: { prompt_tokens: 3, completion_tokens: 0, total_tokens: 3 },
  });
  expect(engine.embedded).toMatchObject([{ tokens: [BOS, 104, 105], pooling: "mean" }]);
});

test("many inputs come back in their order, however the engine takes them, a few at a time", async () => {
  let most = 0;
  const app = createScriptedApp({
    pace: async (index) => {
      most = Math.max(most, app.engine.busy());
      await new Promise((resolve) => setTimeout(resolve, (index * 7) % 5));
    },
  });
  const input = Array.from({ length: 40 }, (_, i) => `text ${i}`);
  const { data }: Listed = await (await app.post(PATH, { model: "m", input })).json();
  expect(data.map(({ embedding }) => embedding)).toEqual(input.map(vectorOf));
  expect(data.map(({ index }) => index)).toEqual(input.map((_, i) => i));
  expect(most).toBe(4);
});

test("tokens are taken as they are, one list or several", async () => {
  const { post, engine } = createScriptedApp();
  await post(PATH, { model: "m", input: [1, 2] });
  await post(PATH, { model: "m", input: [[3], [4, 5]] });
  expect(engine.embedded.map(({ tokens }) => tokens)).toEqual([[1, 2], [3], [4, 5]]);
  const refused = await post(PATH, { model: "m", input: [[3], [258]] });
  expect(await refused.json()).toMatchObject({ error: { param: "input[1][0]" } });
});

test("base64 holds the same floats, little end first", async () => {
  const { post } = createScriptedApp();
  const asked = { model: "m", input: "hi", encoding_format: "base64" };
  const { data }: Listed = await (await post(PATH, asked)).json();
  const raw = Buffer.from(String(data[0]!.embedding), "base64");
  expect(vectorOf("hi").map((_, i) => raw.readFloatLE(4 * i))).toEqual(vectorOf("hi"));
  expect(raw.byteLength).toBe(16);
});

test.each(["dimensions", "output_dimension"])(
  "%s cuts the vector to length 1 again",
  async (field) => {
    const { post } = createScriptedApp();
    const { data }: Listed = await (
      await post(PATH, { model: "m", input: "hi", [field]: 2 })
    ).json();
    const [x, y] = vectorOf("hi") as [number, number];
    const length = Math.hypot(x, y);
    const embedding = data[0]!.embedding as number[];
    expect(embedding).toHaveLength(2);
    expect(embedding[0]).toBeCloseTo(x / length, 6);
    expect(embedding[1]).toBeCloseTo(y / length, 6);
    const refused = await post(PATH, { model: "m", input: "hi", [field]: 5 });
    expect(await refused.json()).toMatchObject({ error: { param: "dimensions" } });
  },
);

test("what cannot be embedded is refused with its place", async () => {
  const { post } = createScriptedApp({}, {}, { contextLength: 8 });
  const cases: [object, string, string | null][] = [
    [{ input: "" }, "input[0]", null],
    [{ input: ["a", ""] }, "input[1]", null],
    [{ input: [] }, "input", null],
    [{ input: ["a", 1] }, "input[1]", null],
    [{ input: Array.from({ length: 2049 }, () => "a") }, "input", null],
    [{ input: "0123456789" }, "input", "context_length_exceeded"],
    [{ input: "a", dimensions: 0 }, "dimensions", null],
    [{ input: "a", encoding_format: "int8" }, "encoding_format", null],
    [{ input: "a", output_dtype: "int8" }, "output_dtype", "unsupported_parameter"],
    [{ input: "a", task: "x" }, "task", "unsupported_parameter"],
  ];
  for (const [fields, param, code] of cases) {
    const response = await post(PATH, { model: "m", ...fields });
    expect(response.status, JSON.stringify(fields)).toBe(400);
    expect(await response.json()).toMatchObject({ error: { param, code } });
  }
});

test("a client that leaves frees the engine", async () => {
  const { post, engine } = createScriptedApp({ pace: () => new Promise(() => {}) });
  const leaving = new AbortController();
  const response = post(PATH, { model: "m", input: ["a", "b"] }, { signal: leaving.signal });
  await expect.poll(() => engine.busy()).toBe(2);
  leaving.abort();
  expect((await response).status).toBe(499);
  expect(engine.busy()).toBe(0);
});

test("tokenize counts the tokens of a text and of a conversation, detokenize makes text of them", async () => {
  const { post } = createScriptedApp();
  const text = await (await post("/tokenize", { model: "m", prompt: "hé" })).json();
  expect(text).toEqual({ count: 4, max_model_len: 4096, tokens: [BOS, 104, 195, 169] });
  const bare = { model: "m", prompt: "hé", add_special_tokens: false };
  expect(await (await post("/tokenize", bare)).json()).toMatchObject({ tokens: [104, 195, 169] });
  const messages = [{ role: "user", content: "hi" }];
  const chat = await (await post("/tokenize", { model: "m", messages })).json();
  expect(chat.tokens).toEqual([BOS, ...bytes("user: hi\n")]);
  const back = await post("/detokenize", { model: "m", tokens: text.tokens });
  expect(await back.json()).toEqual({ prompt: "hé" });
  const nothing = await post("/detokenize", { model: "m", tokens: [] });
  expect(await nothing.json()).toEqual({ prompt: "" });
  const unknown = await post("/detokenize", { model: "m", tokens: [1, 258] });
  expect(await unknown.json()).toMatchObject({ error: { param: "tokens[1]" } });
});

test("a text gets the token that closes it, also where it is cut; tokens come as they are", async () => {
  const tokenizer = { ...byteTokenizer, closing: EOS };
  const { post, engine } = createScriptedApp(
    {},
    {},
    { tokenizer, contextLength: 4, pooling: "cls" },
  );
  await post(PATH, { model: "m", input: "hi" });
  await post(PATH, { model: "m", input: [104, 105] });
  await post("/api/embed", { model: "m", input: "hello", truncate: true });
  expect(engine.embedded).toMatchObject([
    { tokens: [BOS, 104, 105, EOS], pooling: "cls" },
    { tokens: [104, 105], pooling: "cls" },
    { tokens: [BOS, 104, 101, EOS], pooling: "cls" },
  ]);
});

test("a model that embeds only says so, and refuses to generate", async () => {
  const { post, get, engine } = createScriptedApp(
    { embedsOnly: true },
    {},
    { template: undefined },
  );
  const listed = await (await get("/v1/models/m")).json();
  expect(listed).toMatchObject({
    capabilities: { completion_chat: false, completion_fim: false, function_calling: false },
    sirocco: {
      capabilities: { chat: false, completion: false, fim: false, tools: false, embed: true },
    },
  });
  const messages = [{ role: "user", content: "hi" }];
  for (const [path, body] of [
    ["/v1/chat/completions", { messages }],
    ["/v1/completions", { prompt: "hi" }],
    ["/v1/fim/completions", { prompt: "hi" }],
    ["/v1/responses", { input: "hi" }],
    ["/v1/messages", { messages, max_tokens: 5 }],
    ["/api/generate", { prompt: "hi" }],
  ] as const) {
    const response = await post(path, { model: "m", ...body });
    // Mistral's paths say 422.
    expect(response.status, path).toBe(path.includes("fim") ? 422 : 400);
    expect(await response.text()).toContain("embeds texts only");
  }
  expect(engine.requests).toEqual([]);
  expect((await post(PATH, { model: "m", input: "hi" })).status).toBe(200);
});
