import { expect, test } from "vitest";
import { createScriptedApp } from "../../fixtures/scripted-app.ts";
import { BOS, byteTokenizer } from "../../fixtures/scripted-engine.ts";

const PATH = "/v1/completions";

const frame = (text: string, reason: string) =>
  `data: {"id":"cmpl-id2","object":"text_completion","created":1790000000,"model":"m","system_fingerprint":"fp_ce74da4cfb7b","choices":[{"text":"${text}","index":0,"logprobs":null,"finish_reason":${reason}}]}\n\n`;

test("POST /v1/completions answers with OpenAI's text_completion", async () => {
  const { post, engine } = createScriptedApp({ reply: " there" });
  const response = await post(PATH, { model: "m", prompt: "hi" });
  expect(await response.json()).toEqual({
    id: "cmpl-id2",
    object: "text_completion",
    created: 1_790_000_000,
    model: "m",
    system_fingerprint: "fp_ce74da4cfb7b",
    choices: [{ text: " there", index: 0, logprobs: null, finish_reason: "stop" }],
    usage: {
      prompt_tokens: 3,
      completion_tokens: 6,
      total_tokens: 9,
      prompt_tokens_details: { cached_tokens: 0 },
    },
    timings: expect.any(Object),
  });
  expect(engine.requests[0]?.tokens).toEqual([BOS, 104, 105]);
});

test("POST /v1/completions streams frames exactly as OpenAI writes them", async () => {
  const { post } = createScriptedApp({ reply: "ab" });
  const response = await post(PATH, { model: "m", prompt: "hi", stream: true });
  expect(await response.text()).toBe(
    frame("a", "null") + frame("b", "null") + frame("", '"stop"') + "data: [DONE]\n\n",
  );
});

test("a prompt may be a text, one text in an array, token ids, or one array of them", async () => {
  const { post, engine } = createScriptedApp({ reply: "x" });
  for (const prompt of ["hi", ["hi"], [104, 105], [[104, 105]]]) {
    expect((await post(PATH, { model: "m", prompt })).status).toBe(200);
  }
  // Text begins with the token that the model expects; token ids are taken as they are.
  const text = [BOS, 104, 105];
  expect(engine.requests.map(({ tokens }) => tokens)).toEqual([text, text, [104, 105], [104, 105]]);
});

test("no beginning is added where the model does not want one, and then nothing cannot be continued", async () => {
  const tokenizer = { ...byteTokenizer, addBos: false };
  const { post, engine } = createScriptedApp({ reply: "x" }, {}, { tokenizer });
  await post(PATH, { model: "m", prompt: "hi" });
  expect(engine.requests[0]?.tokens).toEqual([104, 105]);
  expect((await post(PATH, { model: "m", prompt: "" })).status).toBe(400);
});

test("suffix without its tokens, echo with logprobs and a streamed best_of are refused by name", async () => {
  const { post } = createScriptedApp({ reply: "x" });
  const cases: [string, object][] = [
    ["echo", { echo: true, logprobs: 1 }],
    ["suffix", { suffix: "end" }],
    ["best_of", { best_of: 2, stream: true }],
  ];
  for (const [param, fields] of cases) {
    const response = await post(PATH, { model: "m", prompt: "hi", ...fields });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      error: { code: "unsupported_parameter", param },
    });
  }
  const neutral = { model: "m", prompt: "hi", echo: false, best_of: 1, suffix: null, n: 1 };
  expect((await post(PATH, neutral)).status).toBe(200);
});

test("token ids that the model does not have are refused with their place", async () => {
  const { post } = createScriptedApp({ reply: "x" });
  const response = await post(PATH, { model: "m", prompt: [1, 258] });
  expect(await response.json()).toMatchObject({ error: { param: "prompt[1]" } });
});

test("logprobs come as four lists side by side", async () => {
  const { post } = createScriptedApp({ reply: "a😀b" });
  const response = await post(PATH, { model: "m", prompt: "hi", logprobs: 1 });
  const { choices } = await response.json();
  expect(choices[0].logprobs).toEqual({
    tokens: ["a", "bytes:\\xf0", "bytes:\\x9f", "bytes:\\x98", "bytes:\\x80", "b"],
    token_logprobs: [-0.5, -0.5, -0.5, -0.5, -0.5, -0.5],
    top_logprobs: expect.arrayContaining([{ a: -0.5 }]),
    text_offset: [0, 1, 1, 1, 1, 2],
  });
});
