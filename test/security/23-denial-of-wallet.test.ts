import { describe, expect, test } from "vitest";
import { bearer, configured, createKeyedApp } from "../fixtures/keyed-app.ts";

const CHAT = "/v1/chat/completions";
const body = { model: "m", messages: [{ role: "user", content: "hi" }] };
const user = { headers: bearer("user") };

const left = (response: Response) => Number(response.headers.get("x-ratelimit-remaining-tokens"));

describe("23 limits of requests and tokens hold", () => {
  test("a hundred streams at once on 1000 tokens a minute spend at most 1000", async () => {
    const limits = { tokensPerMinute: 1000 };
    const { post, engine } = createKeyedApp(
      [await configured("user", { limits })],
      { reply: "x".repeat(500) },
      { now: () => 0 },
    );
    const streams = await Promise.all(
      Array.from({ length: 100 }, () =>
        post(CHAT, { ...body, stream: true, max_tokens: 40 }, user),
      ),
    );
    await Promise.all(streams.map((stream) => stream.text()));
    const { promptTokens, generatedTokens } = engine.stats();
    const served = streams.filter(({ status }) => status === 200).length;
    expect(served).toBeGreaterThan(10);
    expect(served + streams.filter(({ status }) => status === 429).length).toBe(100);
    expect(promptTokens + generatedTokens).toBeLessThanOrEqual(1000);
  });

  test("requests over the limit are 429 with OpenAI's headers, and served again after a while", async () => {
    let now = 0;
    const limits = { requestsPerMinute: 2, tokensPerMinute: 6000 };
    const { post } = createKeyedApp(
      [await configured("user", { limits })],
      { reply: "hello" },
      { now: () => now },
    );
    const first = await post(CHAT, { ...body, max_tokens: 10 }, user);
    expect(Object.fromEntries(first.headers)).toMatchObject({
      "x-ratelimit-limit-requests": "2",
      "x-ratelimit-remaining-requests": "1",
      "x-ratelimit-reset-requests": "30s",
      "x-ratelimit-limit-tokens": "6000",
    });
    expect((await post(CHAT, body, user)).status).toBe(200);
    const refused = await post(CHAT, body, user);
    expect(refused.status).toBe(429);
    expect(await refused.json()).toMatchObject({
      error: { type: "rate_limit_error", code: "rate_limit_exceeded", param: null },
    });
    expect(Object.fromEntries(refused.headers)).toMatchObject({
      "retry-after": "30",
      "x-should-retry": "true",
      "x-ratelimit-remaining-requests": "0",
      "x-ratelimit-reset-requests": "1m0s",
    });
    now += 30_000;
    expect((await post(CHAT, body, user)).status).toBe(200);
  });

  test("what an answer did not use goes back; a stream gives it back at its end", async () => {
    const limits = { tokensPerMinute: 600 };
    const { post } = createKeyedApp(
      [await configured("user", { limits })],
      { reply: "hello" },
      { now: () => 0 },
    );
    const used = async (stream: boolean) => {
      const response = await post(CHAT, { ...body, max_tokens: 100, stream }, user);
      const before = left(response);
      await response.text();
      return before;
    };
    // 10 tokens of prompt, 5 of the answer.
    expect(await used(true)).toBe(600 - 110);
    expect(await used(true)).toBe(600 - 15 - 110);
    expect(await used(false)).toBeGreaterThanOrEqual(600 - 30 - 110);
    expect(await used(true)).toBe(600 - 45 - 110);
  });

  test("a client that leaves pays for what was computed and gets the rest back", async () => {
    const limits = { tokensPerMinute: 600 };
    const { post, engine } = createKeyedApp(
      [await configured("user", { limits })],
      { reply: "x".repeat(400), pace: () => new Promise((resolve) => setTimeout(resolve, 1)) },
      { now: () => 0 },
    );
    const stream = await post(CHAT, { ...body, max_tokens: 400, stream: true }, user);
    const reader = stream.body!.getReader();
    for (let i = 0; i < 5; i++) await reader.read();
    await reader.cancel();
    await expect.poll(() => engine.busy()).toBe(0);
    const next = await post(CHAT, { ...body, max_tokens: 400, stream: true }, user);
    await next.body?.cancel();
    // Both prompts, what the second set aside, and the few tokens of the first that were computed.
    expect(left(next)).toBeLessThan(600 - 20 - 400 - 2);
    expect(left(next)).toBeGreaterThan(600 - 20 - 400 - 100);
  });

  test("one request larger than a minute's limit is refused for good, not asked to come back", async () => {
    const limits = { tokensPerMinute: 50 };
    const { post } = createKeyedApp([await configured("user", { limits })]);
    const response = await post(CHAT, { ...body, max_tokens: 500 }, user);
    expect(response.status).toBe(429);
    expect(response.headers.get("x-should-retry")).toBe("false");
    expect(response.headers.get("retry-after")).toBeNull();
    // Without max_tokens the answer gets what a minute's limit leaves.
    expect((await post(CHAT, body, user)).status).toBe(200);
  });

  test("limits are of a key: one that is used up leaves the others alone; reading is free", async () => {
    const limits = { requestsPerMinute: 1 };
    const { post, get } = createKeyedApp([
      await configured("user", { limits }),
      await configured("other", { limits }),
    ]);
    await post(CHAT, body, user);
    expect((await post(CHAT, body, user)).status).toBe(429);
    expect((await post(CHAT, body, { headers: bearer("other") })).status).toBe(200);
    expect((await get("/v1/models", user)).status).toBe(200);
  });

  test("a key for some models gets 403 model_not_allowed for others", async () => {
    const { post } = createKeyedApp([await configured("user", { models: ["another"] })]);
    const response = await post(CHAT, body, user);
    expect(response.status).toBe(403);
    expect(await response.json()).toMatchObject({
      error: { code: "model_not_allowed", param: "model" },
    });
  });
});
