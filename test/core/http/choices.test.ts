import { expect, test } from "vitest";
import { createScriptedApp, eventsOf } from "../../fixtures/scripted-app.ts";
import { BOS } from "../../fixtures/scripted-engine.ts";

const CHAT = "/v1/chat/completions";
const COMPLETIONS = "/v1/completions";
const hello = { model: "m", messages: [{ role: "user", content: "hi" }], seed: 7 };
const plain = { model: "m", prompt: "hi", seed: 7 };
const bytes = (text: string): number[] => [...new TextEncoder().encode(text)];

/** Answers with the seed, and finds the answers to even seeds less likely. */
const seeds = () =>
  createScriptedApp({
    reply: (_prompt, { sampling }) => bytes(`s${sampling.seed}`),
    logprob: ({ sampling }) => (sampling.seed % 2 === 0 ? -2 : -1 / sampling.seed),
  });

test("n answers come in order, each with a seed of its own, the first as if it were alone", async () => {
  const { post, engine } = seeds();
  const body = await (await post(CHAT, { ...hello, n: 3 })).json();
  expect(
    body.choices.map((choice: { index: number; message: { content: string } }) => [
      choice.index,
      choice.message.content,
    ]),
  ).toEqual([
    [0, "s7"],
    [1, "s8"],
    [2, "s9"],
  ]);
  expect(body.usage).toMatchObject({ prompt_tokens: 10, completion_tokens: 6, total_tokens: 16 });
  expect(engine.busy()).toBe(0);
});

test("n answers are streamed side by side, each with an end of its own and one usage for all", async () => {
  const { post } = seeds();
  const fields = { n: 3, stream: true, stream_options: { include_usage: true } };
  const events = await eventsOf(await post(CHAT, { ...hello, ...fields }));
  const texts = ["", "", ""];
  const ends: unknown[] = [];
  for (const { choices } of events as {
    choices: { index: number; delta: { content?: string }; finish_reason: unknown }[];
  }[]) {
    for (const { index, delta, finish_reason: reason } of choices) {
      texts[index] += delta.content ?? "";
      if (reason !== null) ends.push(reason);
    }
  }
  expect(texts).toEqual(["s7", "s8", "s9"]);
  expect(ends).toEqual(["stop", "stop", "stop"]);
  expect(events.at(-1)).toMatchObject({
    choices: [],
    usage: { prompt_tokens: 10, completion_tokens: 6 },
  });
});

test("best_of sends the likeliest by the mean of its tokens", async () => {
  const { post } = seeds();
  const body = await (await post(COMPLETIONS, { ...plain, n: 2, best_of: 5 })).json();
  expect(body.choices.map(({ text }: { text: string }) => text)).toEqual(["s11", "s9"]);
  expect(body.choices.map(({ index }: { index: number }) => index)).toEqual([0, 1]);
  expect(body.choices[0].logprobs).toBeNull();
  // All that was generated is told, not only what is sent.
  expect(body.usage.completion_tokens).toBe(12);
  const response = await post(COMPLETIONS, { ...plain, n: 3, best_of: 2 });
  expect(await response.json()).toMatchObject({ error: { param: "best_of" } });
});

test("several prompts are answered in order, prompt by prompt", async () => {
  const { post } = createScriptedApp({
    reply: (prompt, { sampling }) => [...prompt.slice(1), ...bytes(String(sampling.seed % 10))],
  });
  const prompt = ["a", "bc"];
  const body = await (await post(COMPLETIONS, { ...plain, prompt, n: 2 })).json();
  expect(body.choices.map(({ text }: { text: string }) => text)).toEqual([
    "a7",
    "a8",
    "bc7",
    "bc8",
  ]);
  expect(body.usage.prompt_tokens).toBe(5);
  const ids = await post(COMPLETIONS, {
    ...plain,
    prompt: [
      [BOS, 97],
      [BOS, 98],
    ],
  });
  expect((await ids.json()).choices).toMatchObject([{ text: "a7" }, { text: "b7" }]);
});

test("more answers than a request may have are refused, whichever way they add up", async () => {
  const { post } = createScriptedApp({ reply: "x" });
  const prompt = Array.from({ length: 128 }, () => "a");
  expect((await post(COMPLETIONS, { ...plain, prompt })).status).toBe(200);
  expect((await post(COMPLETIONS, { ...plain, prompt, n: 2 })).status).toBe(400);
  expect((await post(COMPLETIONS, { ...plain, prompt: [...prompt, "a"] })).status).toBe(400);
});

test("where one of several answers fails, all end and the request fails", async () => {
  const { post, engine } = createScriptedApp({
    reply: "hello",
    failAt: { index: 2, error: "QUEUE_FULL" },
  });
  expect((await post(CHAT, { ...hello, n: 4 })).status).toBe(429);
  expect(engine.busy()).toBe(0);
});

test("a client that leaves frees the slots of all its answers", async () => {
  const { post, engine } = createScriptedApp({
    reply: "x".repeat(1000),
    pace: () => new Promise((resolve) => setTimeout(resolve, 5)),
  });
  const leaving = new AbortController();
  const response = await post(CHAT, { ...hello, n: 5, stream: true }, { signal: leaving.signal });
  await response.body!.getReader().read();
  expect(engine.busy()).toBe(5);
  leaving.abort();
  await expect.poll(() => engine.busy()).toBe(0);
});

test("echo repeats the prompt in front of its answer, whole and streamed, text and tokens", async () => {
  const { post } = createScriptedApp({ reply: " there" });
  for (const prompt of ["hé", bytes("hé")]) {
    const body = await (await post(COMPLETIONS, { ...plain, prompt, echo: true })).json();
    expect(body.choices[0].text).toBe("hé there");
    const events = await eventsOf(
      await post(COMPLETIONS, { ...plain, prompt, echo: true, stream: true }),
    );
    const texts = events.map(({ choices }) => (choices as { text: string }[])[0]!.text);
    expect(texts.join("")).toBe("hé there");
  }
});
