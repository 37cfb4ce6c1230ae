import { expect, test } from "vitest";
import type { AppDeps } from "../../../core/http/deps.ts";
import { createAccess, type ApiKey } from "../../../core/http/edge/access.ts";
import { bearer, configured } from "../../fixtures/keyed-app.ts";
import { keptAnswers } from "../../fixtures/kept-answers.ts";
import { createScriptedApp, type ScriptedApp } from "../../fixtures/scripted-app.ts";

const CHAT = "/v1/chat/completions";
const ask = { model: "m", temperature: 0, messages: [{ role: "user", content: "Hello" }] };
const bytes = (body: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(body));

/** An application that has answered `ask` once, to whoever sends these headers. */
async function answered(
  more: Partial<AppDeps> = {},
  headers: Readonly<Record<string, string>> = {},
): Promise<ScriptedApp> {
  const tasks: Promise<unknown>[] = [];
  const caching = keptAnswers(tasks);
  const app = createScriptedApp({ reply: "hello" }, { caching, now: () => 0, ...more });
  for (const body of [ask, { ...ask, stream: true }])
    await (await app.post(CHAT, body, { headers })).text();
  await Promise.all(tasks);
  return app;
}

/** What the lane says to a request, told apart from not looking at its body at all. */
function lane(
  { app }: ScriptedApp,
  body: Uint8Array,
  headers: Readonly<Record<string, string>> = {},
  path = CHAT,
  method = "POST",
) {
  const url = `http://localhost${path}`;
  const all = new Headers({ "content-type": "application/json", ...headers });
  const opened = app.lane?.open({ method, url, headers: all });
  return opened === undefined ? "unopened" : opened.answer(body);
}

test.each([ask, { ...ask, stream: true }])("answers as the ordinary way does: %j", async (body) => {
  const app = await answered();
  const ordinary = await app.post(CHAT, body);
  const logged = app.logs.at(-1)!;
  const reply = lane(app, bytes(body));
  if (reply === undefined || reply === "unopened") throw new Error("The lane has no answer");
  expect(reply.body).toBe(await ordinary.text());
  const { "x-request-id": _other, ...headers } = reply.headers;
  expect(Object.fromEntries(ordinary.headers)).toMatchObject(headers);
  expect(Object.keys(reply.headers).toSorted()).toEqual([...ordinary.headers.keys()].toSorted());
  const { request_id: _one, duration_ms: _took, ...record } = app.logs.at(-1)!;
  expect(logged).toMatchObject(record);
  expect(app.engine.requests).toHaveLength(1);
});

test("counts its hits", async () => {
  const app = await answered();
  for (let i = 0; i < 3; i++) lane(app, bytes(ask));
  const text = await (await app.get("/metrics")).text();
  // One of the two requests before has found the other's answer.
  expect(text).toContain('sirocco_cache_requests_total{result="hit"} 4');
});

test.each<[string, Readonly<Record<string, string>>]>([
  ["a condition", { "cache-control": "no-cache" }],
  ["numbered events", { "last-event-id": "x" }],
  ["a receipt", { "x-sirocco-receipt": "1" }],
])("leaves %s to the ordinary way", async (_, headers) => {
  const app = await answered();
  const before = app.logs.length;
  expect(lane(app, bytes(ask), headers)).toBeUndefined();
  expect(app.logs).toHaveLength(before);
});

test("does not look at the bodies of others", async () => {
  const app = await answered();
  expect(lane(app, bytes(ask), { "content-type": "text/plain" })).toBe("unopened");
  expect(lane(app, bytes(ask), { "content-encoding": "gzip" })).toBe("unopened");
  expect(lane(app, bytes(ask), { "x-sirocco-relay": "hops=1" })).toBe("unopened");
  expect(lane(app, bytes(ask), {}, "/v1/embeddings")).toBe("unopened");
  expect(lane(app, bytes(ask), {}, CHAT, "PUT")).toBe("unopened");
});

test("knows no body that it has not met, none for another path, and none that is no text", async () => {
  const app = await answered();
  expect(lane(app, bytes({ ...ask, seed: 1 }))).toBeUndefined();
  expect(lane(app, bytes(ask), {}, "/v1/completions")).toBeUndefined();
  expect(lane(app, Uint8Array.of(0xff, 0xfe))).toBeUndefined();
});

test("waits for nobody: a server that loads or drains answers the ordinary way", async () => {
  let state: "ready" | "loading" | "leaving" | "draining" = "ready";
  const app = await answered({ state: () => state });
  for (const [now, expected] of [
    ["loading", "unopened"],
    ["draining", "unopened"],
    ["leaving", "object"],
  ] as const) {
    state = now;
    const said = lane(app, bytes(ask));
    expect(typeof said === "string" ? said : typeof said).toBe(expected);
  }
});

test("a hit whose turn it is to be verified is left to who can compute it again", async () => {
  const app = await answered({ caching: keptAnswers([], { verifyOneIn: 3 }) });
  // One hit has been counted by `answered`.
  expect(lane(app, bytes(ask))).toBeTypeOf("object");
  expect(lane(app, bytes(ask))).toBeUndefined();
  await (await app.post(CHAT, ask)).text();
  expect(lane(app, bytes(ask))).toBeTypeOf("object");
});

test("is not there where nothing is kept, nor where other origins are told more", () => {
  expect(createScriptedApp({}).app.lane).toBeUndefined();
  const deps = { caching: keptAnswers(), corsOrigins: ["https://example.com"] };
  expect(createScriptedApp({}, deps).app.lane).toBeUndefined();
});

test("refuses names that are not this server's by not answering", async () => {
  const app = await answered({ hosts: ["localhost"] });
  expect(lane(app, bytes(ask), { host: "attacker.example" })).toBe("unopened");
  expect(lane(app, bytes(ask), { host: "localhost:8080" })).toBeTypeOf("object");
});

test("keys: each tenant its own answers, limits counted once, strangers nothing", async () => {
  const keys: readonly ApiKey[] = [
    await configured("user", { limits: { requestsPerMinute: 4 } }),
    await configured("other"),
    await configured("metrics", { scopes: ["metrics"] }),
  ];
  const access = createAccess(keys, () => 0);
  const app = await answered({ access }, bearer("user"));
  expect(lane(app, bytes(ask), bearer("other"))).toBeUndefined();
  expect(lane(app, bytes(ask), bearer("metrics"))).toBe("unopened");
  expect(lane(app, bytes(ask), bearer("stranger"))).toBe("unopened");
  expect(lane(app, bytes(ask))).toBe("unopened");
  // Two of four requests a minute have been used.
  for (const left of ["1", "0"]) {
    expect(lane(app, bytes(ask), bearer("user"))).toMatchObject({
      headers: { "x-ratelimit-remaining-requests": left },
    });
  }
  expect(lane(app, bytes(ask), bearer("user"))).toBeUndefined();
  expect((await app.post(CHAT, ask, { headers: bearer("user") })).status).toBe(429);
});
