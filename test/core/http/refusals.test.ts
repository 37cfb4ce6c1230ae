import { beforeEach, describe, expect, test, vi } from "vitest";
import { createAccess } from "../../../core/http/edge/access.ts";
import { RuntimeError } from "../../../core/errors.ts";
import { keptAnswers } from "../../fixtures/kept-answers.ts";
import { bearer, configured } from "../../fixtures/keyed-app.ts";
import { createScriptedApp, type ScriptedApp } from "../../fixtures/scripted-app.ts";
import { plainTemplate } from "../../fixtures/scripted-engine.ts";
import { CHAT } from "./pool-rig.ts";

let time = 0;
beforeEach(() => {
  time = 1_790_000_000_000;
});
const now = () => time;

const caching = () => keptAnswers([], {}, now);

/** A server whose template counts how often it renders, and refuses as it is told. */
function open(refusal?: () => RuntimeError, deps: Parameters<typeof createScriptedApp>[1] = {}) {
  const tokens = vi.fn<typeof plainTemplate.tokens>((messages) => {
    if (refusal !== undefined) throw refusal();
    return plainTemplate.tokens(messages);
  });
  const template = { ...plainTemplate, tokens };
  const app = createScriptedApp(
    { reply: "hi" },
    { caching: caching(), now, ...deps },
    { template },
  );
  return { app, tokens };
}

const long = (more: object = {}) => ({
  model: "m",
  temperature: 0,
  messages: [{ role: "user", content: "x".repeat(5000) }],
  ...more,
});
const status = (response: Response) => response.headers.get("cache-status");
const metric = async ({ get }: ScriptedApp, name: string) =>
  (await (await get("/metrics")).text()).split("\n").filter((line) => line.startsWith(name));

describe("a refusal that the request alone decides", () => {
  test("is given again without looking, word for word, for a minute", async () => {
    const { app, tokens } = open();
    const first = await app.post(CHAT, long());
    expect([first.status, status(first)]).toEqual([400, "sirocco; fwd=miss; stored"]);
    time += 20_000;
    const again = await app.post(CHAT, long());
    expect([again.status, status(again)]).toEqual([400, "sirocco; hit; ttl=40; detail=refusal"]);
    const body = await again.json();
    expect(body).toEqual(await first.json());
    expect(body).toMatchObject({ error: { code: "context_length_exceeded", param: "messages" } });
    expect(tokens).toHaveBeenCalledTimes(1);
    expect(await metric(app, "sirocco_cache_requests_total")).toEqual([
      'sirocco_cache_requests_total{result="refusal"} 1',
    ]);
    time += 40_000;
    expect(status(await app.post(CHAT, long()))).toBe("sirocco; fwd=miss; stored");
    expect(tokens).toHaveBeenCalledTimes(2);
  });

  test("is found out anew where the request wants that, or is another one", async () => {
    const { app, tokens } = open();
    await app.post(CHAT, long());
    const others: [object, Record<string, string>, string | null][] = [
      [long(), { "cache-control": "no-cache" }, "sirocco; fwd=miss; stored"],
      [long(), { "cache-control": "no-store" }, null],
      [long({ max_tokens: 9 }), {}, "sirocco; fwd=miss; stored"],
      [long({ temperature: 1 }), {}, null],
    ];
    for (const [body, headers, expected] of others) {
      const response = await app.post(CHAT, body, { headers });
      expect([response.status, status(response)]).toEqual([400, expected]);
    }
    expect(tokens).toHaveBeenCalledTimes(5);
    time += 10_000;
    const old = await app.post(CHAT, long(), { headers: { "cache-control": "max-age=5" } });
    expect(status(old)).toBe("sirocco; fwd=miss; stored");
  });

  test("is never another tenant's, and is void with what is purged", async () => {
    const keys = await Promise.all(["user", "other"].map((id) => configured(id)));
    const kept = caching();
    const { app, tokens } = open(undefined, { caching: kept, access: createAccess(keys, now) });
    await app.post(CHAT, long(), { headers: bearer("user") });
    const other = await app.post(CHAT, long(), { headers: bearer("other") });
    expect(status(other)).toBe("sirocco; fwd=miss; stored");
    expect(tokens).toHaveBeenCalledTimes(2);
    await kept.answers.purges.purge("tenant:user");
    expect(status(await app.post(CHAT, long(), { headers: bearer("user") }))).toContain("miss");
    expect(status(await app.post(CHAT, long(), { headers: bearer("other") }))).toContain("hit");
  });

  test("by the template is remembered, unless it was the machine that was slow", async () => {
    const refused = open(() => new RuntimeError("TEMPLATE_FAILED", "Roles must alternate"));
    const late = open(
      () => new RuntimeError("TEMPLATE_FAILED", "It takes too long", { retryAfterSeconds: 1 }),
    );
    for (const [{ app, tokens }, times] of [
      [refused, 1],
      [late, 3],
    ] as const) {
      for (let i = 0; i < 3; i++) expect((await app.post(CHAT, long())).status).toBe(400);
      expect(tokens).toHaveBeenCalledTimes(times);
    }
  });

  test("is none where the moment decides: a full queue, an allowance", async () => {
    const { app } = open();
    const fits = { ...long(), messages: [{ role: "user", content: "Hello" }] };
    const full = createScriptedApp(
      { reply: "hi", failAt: { index: 0, error: "QUEUE_FULL" } },
      { caching: caching(), now },
    );
    for (let i = 0; i < 2; i++) {
      const response = await full.post(CHAT, fits);
      expect([response.status, status(response)]).toEqual([429, null]);
    }
    expect(full.engine.requests).toHaveLength(2);
    expect((await app.post(CHAT, fits)).status).toBe(200);
    expect(await metric(full, "sirocco_cache_requests_total")).toEqual([]);
  });
});

test("many refusals take bounded memory", async () => {
  const { answers } = caching();
  const error = new RuntimeError("INVALID_REQUEST", "no".repeat(500));
  for (let i = 0; i < 5000; i++) answers.refusals.keep(`key ${i}`, error, []);
  expect(await answers.refusals.find("key 0")).toBeUndefined();
  expect((await answers.refusals.find("key 4999"))?.error.message).toBe(error.message);
});
