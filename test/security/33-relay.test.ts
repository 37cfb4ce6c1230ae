import { describe, expect, test } from "vitest";
import { bearer, configured, createKeyedApp } from "../fixtures/keyed-app.ts";
import { keptAnswers } from "../fixtures/kept-answers.ts";

const CHAT = "/v1/chat/completions";
const ask = { model: "m", temperature: 0, messages: [{ role: "user", content: "hi" }] };

describe("33 who says that a request was passed on is believed only with a key for it (more: test/core/http/ladder)", () => {
  test("an ordinary key cannot name a tenant, nor have what is kept for it", async () => {
    const tasks: Promise<unknown>[] = [];
    const keys = [await configured("user"), await configured("other")];
    const caching = keptAnswers(tasks);
    const { post, engine } = createKeyedApp(keys, { reply: "secret" }, { caching });
    const { system_fingerprint } = await (
      await post(CHAT, ask, { headers: bearer("user") })
    ).json();
    await Promise.all(tasks);
    expect(engine.requests).toHaveLength(1);
    const relay = `hops=1;model=m;fingerprint=${system_fingerprint};seed=1;tenant=user`;
    const headers = { ...bearer("other"), "x-sirocco-relay": relay };
    const response = await post(CHAT, ask, { headers });
    expect(response.status).toBe(200);
    await response.text();
    expect(engine.requests).toHaveLength(2);
    expect(engine.requests[1]!.tenant).toBe("other");
  });

  test.each([
    "hops=2;model=m;fingerprint=f;seed=1",
    "hops=1;model=m;fingerprint=f;seed=1",
    "hops=1;model=m;fingerprint=f;seed=99999999999",
    "hops=1;hops=1",
    "tenant=user",
    "x".repeat(20_000),
  ])("%.40s is refused before anything is computed", async (relay) => {
    const keys = [await configured("user", { scopes: ["inference", "relay"] })];
    const { post, engine } = createKeyedApp(keys);
    const response = await post(CHAT, ask, {
      headers: { ...bearer("user"), "x-sirocco-relay": relay },
    });
    expect(response.status).toBeGreaterThanOrEqual(400);
    expect(engine.requests).toHaveLength(0);
  });
});
