import { expect, test } from "vitest";
import { createScriptedApp } from "../../fixtures/scripted-app.ts";
import { BOS, byteTokenizer } from "../../fixtures/scripted-engine.ts";

const CHAT = "/v1/chat/completions";
const FIM = "/v1/fim/completions";
const bytes = (text: string): number[] => [...new TextEncoder().encode(text)];

/** The byte vocabulary, with tokens for filling in from 258 on. */
const tokenizerWith = (...spellings: string[]) => ({
  ...byteTokenizer,
  vocabSize: 258 + spellings.length,
  controlText: (token: number) => spellings[token - 258] ?? byteTokenizer.controlText(token),
});

test("a prefix begins the answer, is not closed in the prompt and is sent along", async () => {
  const { post, engine } = createScriptedApp({ reply: " you" });
  const messages = [
    { role: "user", content: "hi" },
    { role: "assistant", content: "Hello", prefix: true },
  ];
  const body = await (await post(CHAT, { model: "m", messages })).json();
  expect(body.choices[0].message.content).toBe("Hello you");
  expect(engine.requests[0]?.tokens).toEqual([BOS, ...bytes("user: hi\nHello")]);
});

test("a prefix anywhere else is refused with its place", async () => {
  const { post } = createScriptedApp({ reply: "x" });
  const user = { role: "user", content: "hi" };
  const begun = { role: "assistant", content: "Hello", prefix: true };
  for (const [messages, param] of [
    [[begun, user], "messages[0].prefix"],
    [[{ ...user, prefix: true }], "messages[0].prefix"],
    [[begun], "messages"],
  ]) {
    const response = await post(CHAT, { model: "m", messages });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { param } });
  }
});

test("safe_prompt goes before the system message, or is one", async () => {
  const { post, engine } = createScriptedApp({ reply: "x" });
  const user = { role: "user", content: "hi" };
  await post(CHAT, { model: "m", messages: [user], safe_prompt: true });
  await post(CHAT, {
    model: "m",
    messages: [{ role: "system", content: "Be brief." }, user],
    safe_prompt: true,
  });
  const [alone, joined] = engine.requests.map(({ tokens }) =>
    new TextDecoder().decode(Uint8Array.from(tokens.slice(1))),
  );
  expect(alone).toMatch(/^system: Always assist with care[^\n]*\nuser: hi\n$/);
  expect(joined).toMatch(/^system: Always assist with care[^\n]*\n\nBe brief\.\nuser: hi\n$/);
});

test("filling in writes what follows first where the vocabulary is Mistral's", async () => {
  const tokenizer = tokenizerWith("[SUFFIX]", "[PREFIX]");
  const { post, engine } = createScriptedApp({ reply: "b" }, {}, { tokenizer });
  const response = await post(FIM, { model: "m", prompt: "a", suffix: "c", random_seed: 3 });
  expect(await response.json()).toMatchObject({
    object: "chat.completion",
    choices: [{ message: { role: "assistant", content: "b" }, finish_reason: "stop" }],
  });
  expect(engine.requests[0]).toMatchObject({
    tokens: [BOS, 258, 99, 259, 97],
    sampling: { seed: 3 },
  });
  await post("/v1/completions", { model: "m", prompt: "a", suffix: "c" });
  expect(engine.requests[1]?.tokens).toEqual(engine.requests[0]?.tokens);
});

test("filling in ends with the middle where the vocabulary has one", async () => {
  const tokenizer = tokenizerWith("<fim_prefix>", "<fim_middle>", "<fim_suffix>");
  const { post, engine } = createScriptedApp({ reply: "b" }, {}, { tokenizer });
  await post(FIM, { model: "m", prompt: "a", suffix: "c" });
  expect(engine.requests[0]?.tokens).toEqual([BOS, 258, 97, 260, 99, 259]);
});

test("filling in is refused as Mistral does where the vocabulary has no tokens for it", async () => {
  const { post } = createScriptedApp({ reply: "b" });
  const response = await post(FIM, { model: "m", prompt: "a", suffix: "c" });
  expect(response.status).toBe(422);
  expect(await response.json()).toMatchObject({
    detail: [{ loc: ["body", "suffix"], type: "unsupported_parameter" }],
  });
  const absent = await post(FIM, { model: "x", prompt: "a" });
  expect(absent.status).toBe(404);
  expect(await absent.json()).toMatchObject({ object: "error", code: "model_not_found" });
});
