import * as fc from "fast-check";
import { expect, test } from "vitest";
import { answer, type AnswerEvent, type AnswerRequest } from "../../../core/answer/answer.ts";
import type { Engine } from "../../../core/engine/engine.ts";
import { GREEDY } from "../../../core/sampler/params.ts";
import type { Tokenizer } from "../../../core/tokenizer/tokenizer.ts";
import {
  BOS,
  EOS,
  byteTokenizer,
  createScriptedEngine,
  pieceTokenizer,
} from "../../fixtures/scripted-engine.ts";

const base: AnswerRequest = { prompt: [BOS, 1, 2], maxTokens: 1000, sampling: GREEDY, stop: [] };

async function collect(
  engine: Engine,
  request: Partial<AnswerRequest> = {},
  tokenizer: Tokenizer = byteTokenizer,
): Promise<AnswerEvent[]> {
  const events: AnswerEvent[] = [];
  for await (const event of answer(engine, tokenizer, { ...base, ...request })) events.push(event);
  return events;
}

const textOf = (events: readonly AnswerEvent[]) =>
  events.map((event) => (event.type === "text" ? event.text : "")).join("");
const doneOf = (events: readonly AnswerEvent[]) => {
  const last = events.at(-1);
  if (last?.type !== "done") throw new Error("the answer has no end");
  return last;
};

test("answer ends with the reason, the usage and the engine's timings", async () => {
  const events = await collect(createScriptedEngine({ reply: "hi" }));
  expect(textOf(events)).toBe("hi");
  expect(doneOf(events)).toMatchObject({
    reason: "stop",
    usage: { promptTokens: 3, completionTokens: 2 },
    timings: { engine: { queueMs: 1, prefillMs: 2 } },
  });
});

test("answer never shows a stop token and stops at the token limit", async () => {
  const stopped = await collect(createScriptedEngine({ reply: [104, 105, EOS, 33] }));
  expect(textOf(stopped)).toBe("hi");
  const cut = await collect(createScriptedEngine({ reply: "hello" }), { maxTokens: 2 });
  expect([textOf(cut), doneOf(cut).reason]).toEqual(["he", "length"]);
});

test("answer holds back half characters and ends a broken one with U+FFFD", async () => {
  const events = await collect(
    createScriptedEngine({ reply: [0xe2, 0x82, 0xac, 0x21, 0xe2, 0x82] }),
  );
  const pieces = events.flatMap((event) => (event.type === "text" ? [event.text] : []));
  expect(pieces).toEqual(["€", "!", "\uFFFD"]);
});

test("answer leaves the engine at once when a stop string is complete", async () => {
  const engine = createScriptedEngine({ reply: "one STOP two three" });
  const events = await collect(engine, { stop: ["STOP"] });
  expect(textOf(events)).toBe("one ");
  expect(doneOf(events)).toMatchObject({ reason: "stop", stopSequence: "STOP" });
  expect(doneOf(events).usage.completionTokens).toBe(8);
  expect([engine.produced(), engine.busy()]).toEqual([8, 0]);
});

test("answer frees the engine before it hands over the text before a stop string", async () => {
  const engine = createScriptedEngine({ reply: byteTokenizer.encode("abSTOP") });
  const events = answer(engine, byteTokenizer, { ...base, stop: ["bSTOP"] });
  await events.next();
  await events.next();
  expect(engine.busy()).toBe(0);
});

test("answer frees the engine when its caller leaves or aborts", async () => {
  const engine = createScriptedEngine({ reply: "hello" });
  for await (const _ of answer(engine, byteTokenizer, base)) break;
  expect([engine.busy(), engine.produced()]).toEqual([0, 1]);

  const controller = new AbortController();
  const slow = createScriptedEngine({ reply: "hello", pace: () => new Promise(() => {}) });
  const next = answer(slow, byteTokenizer, { ...base, signal: controller.signal }).next();
  controller.abort();
  await expect(next).rejects.toMatchObject({ code: "ABORTED" });
  expect(slow.busy()).toBe(0);
});

test("answer delivers each token with the event in which its text begins", async () => {
  const pieces = ["a", "b", "€".slice(0), "STO", "x"].map((text) => new TextEncoder().encode(text));
  const euro = new TextEncoder().encode("€");
  pieces[2] = euro.slice(0, 1);
  pieces.push(euro.slice(1));
  // a | b | half a euro | the other half | STO (held) | x
  const engine = createScriptedEngine({ reply: [0, 1, 2, 5, 3, 4] });
  const events = await collect(engine, { stop: ["STOP"], logprobs: 1 }, pieceTokenizer(pieces));
  const delivered = events.flatMap((event) =>
    event.type === "text" ? [[event.text, event.tokens.map(({ token }) => token)]] : [],
  );
  expect(delivered).toEqual([
    ["a", [0]],
    ["b", [1]],
    ["€", [2, 5]],
    ["STOx", [3, 4]],
  ]);
  const tokens = events.flatMap((event) => (event.type === "text" ? event.tokens : []));
  expect(tokens.map(({ text }) => text)).toEqual([
    "a",
    "b",
    "bytes:\\xe2",
    "bytes:\\x82\\xac",
    "STO",
    "x",
  ]);
  expect(tokens.map(({ offset }) => offset)).toEqual([0, 1, 2, 2, 3, 6]);
  expect(tokens[0]).toMatchObject({ logprob: -0.5, top: [{ text: "a", logprob: -0.5 }] });
});

test("answer leaves out the tokens of a stop string and keeps one that begins before it", async () => {
  const pieces = ["ok", "!ST", "OP"].map((text) => new TextEncoder().encode(text));
  const engine = createScriptedEngine({ reply: [0, 1, 2] });
  const events = await collect(engine, { stop: ["STOP"], logprobs: 0 }, pieceTokenizer(pieces));
  const tokens = events.flatMap((event) => (event.type === "text" ? event.tokens : []));
  expect(textOf(events)).toBe("ok!");
  expect(tokens.map(({ text }) => text)).toEqual(["ok", "!ST"]);
});

test("answer equals a search of the whole decoded text, for any split into tokens and any stops", async () => {
  const unit = fc.constantFrom("a", "b", "é", "€", "😀");
  const stops = fc.array(fc.string({ unit, minLength: 1, maxLength: 3 }), { maxLength: 4 });
  const cuts = fc.array(fc.nat(60), { maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(fc.string({ unit, maxLength: 20 }), stops, cuts, async (text, stop, at) => {
      const bytes = new TextEncoder().encode(text);
      const ends = [...new Set([...at.filter((cut) => cut < bytes.length), bytes.length])];
      ends.sort((a, b) => a - b);
      const pieces = ends.map((end, i) => bytes.slice(i === 0 ? 0 : ends[i - 1], end));
      const engine = createScriptedEngine({ reply: [...pieces.keys()] });
      const events = await collect(engine, { stop, logprobs: 0 }, pieceTokenizer(pieces));
      let expected = text;
      let sequence: string | undefined;
      search: for (let end = 1; end <= text.length; end++) {
        for (const one of stop.toSorted((a, b) => b.length - a.length)) {
          if (!text.slice(0, end).endsWith(one)) continue;
          [expected, sequence] = [text.slice(0, end - one.length), one];
          break search;
        }
      }
      expect(textOf(events)).toBe(expected);
      expect(doneOf(events).stopSequence).toBe(sequence);
      if (sequence === undefined) {
        const tokens = events.flatMap((event) => (event.type === "text" ? event.tokens : []));
        expect(tokens.map(({ token }) => token)).toEqual([...pieces.keys()]);
      }
      expect(engine.busy()).toBe(0);
    }),
    { numRuns: 1000 },
  );
});
