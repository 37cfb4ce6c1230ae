import { describe, expect, test } from "vitest";
import type { Span } from "../../core/trace/span.ts";
import { bearer, configured, createKeyedApp, KEYS } from "../fixtures/keyed-app.ts";

const CHAT = "/v1/chat/completions";
/** Where a client may put what is nobody else's business. */
const SECRET = "planted-7f3a";

describe("31 neither traces, logs nor metrics hold what a client said (more: test/e2e/tracing)", () => {
  test.each<readonly [string, string, object, Record<string, string>]>([
    ["a prompt", CHAT, { messages: [{ role: "user", content: SECRET }] }, {}],
    ["an unknown field", CHAT, { messages: [], [SECRET]: SECRET }, {}],
    ["a query", `${CHAT}?token=${SECRET}`, { messages: [{ role: "user", content: "hi" }] }, {}],
    ["a wrong key", CHAT, {}, { authorization: `Bearer ${SECRET}` }],
    ["a cookie", CHAT, { messages: [{ role: "user", content: "hi" }] }, { cookie: SECRET }],
    ["a user", CHAT, { messages: [{ role: "user", content: "hi" }], user: SECRET }, {}],
    ["an answer", CHAT, { messages: [{ role: "user", content: "hi" }], stream: true }, {}],
  ])("in %s", async (_, path, body, headers) => {
    const spans: Span[] = [];
    const tracer = {
      sample: () => true,
      record: (some: readonly Span[]) => void spans.push(...some),
    };
    const { post, get, logs } = createKeyedApp(
      [await configured("user"), await configured("metrics", { scopes: ["metrics"] })],
      { reply: SECRET },
      { tracer },
    );
    const response = await post(
      path,
      { model: "m", ...body },
      { headers: { ...bearer("user"), ...headers } },
    );
    await response.text();
    const metrics = await (await get("/metrics", { headers: bearer("metrics") })).text();
    expect(spans.length).toBeGreaterThan(0);
    const told = JSON.stringify([spans, logs, metrics]);
    expect(told).toContain('"request"');
    expect(told).not.toContain(SECRET);
    expect(told).not.toContain(KEYS["user"]!);
  });
});
