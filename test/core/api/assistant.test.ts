import { expect, test } from "vitest";
import { createAssistant } from "../../../core/api/assistant.ts";
import {
  byteTokenizer,
  createScriptedEngine,
  plainTemplate,
} from "../../fixtures/scripted-engine.ts";

const HELLO = [{ role: "user" as const, content: "hi" }];

function createTalking(reply = "hello") {
  const engine = createScriptedEngine({ reply });
  let closes = 0;
  const assistant = createAssistant({
    engine,
    tokenizer: byteTokenizer,
    template: plainTemplate,
    close() {
      closes++;
      return Promise.resolve();
    },
  });
  return { assistant, engine, closes: () => closes };
}

test("a chat comes in pieces and returns why it ended", async () => {
  const { assistant, engine } = createTalking();
  const pieces: string[] = [];
  const chat = assistant.chat(HELLO, { maxTokens: 3, temperature: 0.5, seed: 7 });
  let next = await chat.next();
  for (; next.done !== true; next = await chat.next()) pieces.push(next.value);
  expect(pieces).toEqual(["h", "e", "l"]);
  expect(next.value).toMatchObject({ reason: "length", usage: { completionTokens: 3 } });
  expect(engine.requests[0]).toMatchObject({
    tokens: plainTemplate.tokens(HELLO),
    maxTokens: 3,
    sampling: { temperature: 0.5, seed: 7, topP: 1 },
  });
});

test("a text is continued after the token that begins texts", async () => {
  const { assistant, engine } = createTalking();
  let text = "";
  for await (const piece of assistant.complete("ab", { stop: ["lo"] })) text += piece;
  expect(text).toBe("hel");
  expect(engine.requests[0]!.tokens).toEqual([byteTokenizer.bos, 97, 98]);
});

test("leaving the loop frees the slot", async () => {
  const { assistant, engine } = createTalking();
  for await (const piece of assistant.chat(HELLO)) {
    expect(piece).toBe("h");
    break;
  }
  expect(engine.busy()).toBe(0);
});

test("a prompt that fills the context is refused", async () => {
  const { assistant } = createTalking();
  const chat = assistant.complete("x".repeat(5000));
  await expect(chat.next()).rejects.toMatchObject({ code: "CONTEXT_LENGTH_EXCEEDED" });
});

test("a model without a template only continues texts", async () => {
  const engine = createScriptedEngine({ reply: "x" });
  const assistant = createAssistant({
    engine,
    tokenizer: byteTokenizer,
    template: undefined,
    close: () => engine.close(),
  });
  await expect(assistant.chat(HELLO).next()).rejects.toMatchObject({ code: "INVALID_REQUEST" });
});

test("closing twice closes once", async () => {
  const { assistant, closes } = createTalking();
  await assistant.close();
  await assistant.close();
  expect(closes()).toBe(1);
});
