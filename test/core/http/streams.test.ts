import { expect, test, vi } from "vitest";
import { createScriptedApp, framesOf } from "../../fixtures/scripted-app.ts";

const PATH = "/v1/chat/completions";
const hello = { model: "m", messages: [{ role: "user", content: "hi" }] };
const streamed = { ...hello, stream: true };
const never = () => new Promise<void>(() => {});
const soon = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

test("a client that leaves a stream while tokens come frees the slot (cancel)", async () => {
  const { post, engine, logs } = createScriptedApp({ reply: "abcdef", pace: () => soon(1) });
  const reader = (await post(PATH, streamed)).body!.getReader();
  await reader.read();
  await reader.read();
  expect(engine.busy()).toBe(1);
  await reader.cancel();
  await vi.waitFor(() => expect(engine.busy()).toBe(0));
  expect(engine.produced()).toBeLessThan(6);
  expect(logs).toMatchObject([{ status: 499, path: PATH, stream: true }]);
});

test("a client that leaves a stream frees the slot (request signal alone)", async () => {
  const { post, engine, logs } = createScriptedApp({ reply: "abcdef", pace: () => soon(1) });
  const client = new AbortController();
  const reader = (await post(PATH, streamed, { signal: client.signal })).body!.getReader();
  await reader.read();
  client.abort();
  await vi.waitFor(() => expect(engine.busy()).toBe(0));
  expect(logs).toMatchObject([{ status: 499 }]);
  reader.cancel().catch(() => {});
});

test("a client that leaves during a silent prompt frees the slot", async () => {
  const limits = { keepAliveMs: 5 };
  const { post, engine, logs } = createScriptedApp({ reply: "x", pace: never }, { limits });
  const reader = (await post(PATH, streamed)).body!.getReader();
  expect(new TextDecoder().decode((await reader.read()).value)).toBe(": ping\n\n");
  expect(engine.busy()).toBe(1);
  await reader.cancel();
  await vi.waitFor(() => expect(engine.busy()).toBe(0));
  expect(logs).toMatchObject([{ status: 499 }]);
});

test("a client that leaves before reading anything frees the slot", async () => {
  const { post, engine } = createScriptedApp({ reply: "abc" });
  const response = await post(PATH, streamed);
  expect(engine.busy()).toBe(1);
  await response.body!.cancel();
  await vi.waitFor(() => expect(engine.busy()).toBe(0));
});

test("a client that leaves an answer in one piece frees the slot", async () => {
  const { post, engine, logs, app } = createScriptedApp({ reply: "x", pace: never });
  const client = new AbortController();
  const response = post(PATH, hello, { signal: client.signal });
  await vi.waitFor(() => expect(engine.busy()).toBe(1));
  client.abort();
  expect((await response).status).toBe(499);
  expect(engine.busy()).toBe(0);
  expect(logs).toMatchObject([{ status: 499, code: "ABORTED" }]);
  expect(app.metrics.render()).toContain(
    'vllm:request_success_total{model_name="m",finished_reason="abort"} 1',
  );
});

test("nothing is produced ahead of a reader, and a reader who stops stops production", async () => {
  const { post, engine } = createScriptedApp({ reply: "x".repeat(1000) });
  const reader = (await post(PATH, streamed)).body!.getReader();
  await soon(5);
  expect(engine.produced()).toBe(1);
  for (let i = 0; i < 10; i++) await reader.read();
  await soon(5);
  expect(engine.produced()).toBeLessThanOrEqual(11);
  await reader.cancel();
});

test("a stream whose client does not read for stallMs is closed and frees the slot", async () => {
  const limits = { stallMs: 20 };
  const { post, engine, logs } = createScriptedApp({ reply: "x".repeat(1000) }, { limits });
  const reader = (await post(PATH, streamed)).body!.getReader();
  await reader.read();
  await vi.waitFor(() => expect(engine.busy()).toBe(0));
  await expect(reader.read()).rejects.toThrow(/stopped reading/);
  expect(logs).toMatchObject([{ status: 499 }]);
});

test("silence is filled with comments that clients skip", async () => {
  const limits = { keepAliveMs: 12 };
  const { post } = createScriptedApp(
    { reply: "ab", pace: (index) => soon(index === 1 ? 50 : 0) },
    { limits },
  );
  const frames = await framesOf(await post(PATH, streamed));
  const first = frames.findIndex((frame) => frame.includes('"content":"a"'));
  const second = frames.findIndex((frame) => frame.includes('"content":"b"'));
  const between = frames.slice(first + 1, second);
  expect(between.length).toBeGreaterThan(0);
  expect(new Set(between)).toEqual(new Set([": ping"]));
  expect(frames.filter((frame) => frame !== ": ping")).toHaveLength(5);
  expect(frames.at(-1)).toBe("data: [DONE]");
});

test("a failure before the first byte is an answer of its own", async () => {
  const failAt = { index: 0, error: "QUEUE_FULL" } as const;
  const { post, engine } = createScriptedApp({ reply: "x", failAt, stats: { waiting: 3 } });
  for (const body of [hello, streamed]) {
    const response = await post(PATH, body);
    expect(response.status).toBe(429);
    expect(Number(response.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    expect(response.headers.get("x-should-retry")).toBe("true");
    expect(await response.json()).toMatchObject({
      error: { type: "overloaded_error", code: "queue_full", param: null },
    });
  }
  expect(engine.busy()).toBe(0);
});

test("a failure after the first byte is the last event, without [DONE]", async () => {
  const failAt = { index: 2, error: "NOT_READY" } as const;
  const { post, logs } = createScriptedApp({ reply: "abc", failAt });
  const response = await post(PATH, streamed);
  expect(response.status).toBe(200);
  const frames = await framesOf(response);
  expect(frames).toHaveLength(4);
  expect(JSON.parse(frames.at(-1)!.slice(6))).toEqual({
    error: {
      message: "scripted failure",
      type: "server_error",
      param: null,
      code: "not_ready",
    },
  });
  expect(logs).toMatchObject([{ level: "error", status: 503, code: "NOT_READY" }]);
});

test("a defect of ours shows no details to the client and all of them in the log", async () => {
  const failAt = { index: 1, error: new TypeError("secret path /home/x") };
  const { post, logs } = createScriptedApp({ reply: "abc", failAt });
  const stream = await (await post(PATH, streamed)).text();
  const whole = await post(PATH, hello);
  const body = await whole.text();
  expect([whole.status, whole.headers.get("x-should-retry")]).toEqual([500, "false"]);
  for (const text of [stream, body]) {
    expect(text).toContain('"code":"internal_error"');
    expect(text).not.toContain("secret");
  }
  expect(logs.map(({ error }) => String(error))).toEqual([
    expect.stringContaining("secret path"),
    expect.stringContaining("secret path"),
  ]);
});

test("a stop string ends generation at once", async () => {
  const { post, engine } = createScriptedApp({ reply: "one STOP two three four" });
  const text = await (await post(PATH, { ...streamed, stop: "STOP" })).text();
  expect(text).toContain('"finish_reason":"stop"');
  expect(text.endsWith("data: [DONE]\n\n")).toBe(true);
  expect([engine.produced(), engine.busy()]).toEqual([8, 0]);
});

test("an answer in one piece that takes long begins with white space and is JSON all the same", async () => {
  const limits = { wholeKeepAliveMs: 5 };
  const script = { reply: "abc", pace: () => soon(20) };
  const { post, engine, logs } = createScriptedApp(script, { limits });
  const response = await post(PATH, hello);
  const text = await response.text();
  expect(response.headers.get("content-type")).toBe("application/json");
  expect(text).toMatch(/^ +\{/);
  expect(JSON.parse(text)).toMatchObject({ choices: [{ message: { content: "abc" } }] });
  expect(engine.busy()).toBe(0);
  expect(logs).toMatchObject([{ status: 200, completion_tokens: 3 }]);
});

test("an answer in one piece that fails after white space ends with the error", async () => {
  const limits = { wholeKeepAliveMs: 5 };
  const script = {
    reply: "abc",
    pace: () => soon(20),
    failAt: { index: 1, error: "NOT_READY" as const },
  };
  const { post, logs } = createScriptedApp(script, { limits });
  const response = await post(PATH, hello);
  expect(JSON.parse(await response.text())).toMatchObject({ error: { code: "not_ready" } });
  expect(logs).toMatchObject([{ status: 503, code: "NOT_READY" }]);
});

test("a client that leaves the white space of an answer in one piece frees the slot", async () => {
  const limits = { wholeKeepAliveMs: 5 };
  const { post, engine, logs } = createScriptedApp({ reply: "x", pace: never }, { limits });
  const reader = (await post(PATH, hello)).body!.getReader();
  await reader.read();
  expect(engine.busy()).toBe(1);
  await reader.cancel();
  await vi.waitFor(() => expect(engine.busy()).toBe(0));
  expect(logs).toMatchObject([{ status: 499 }]);
});
