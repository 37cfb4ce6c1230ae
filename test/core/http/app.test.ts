import { expect, test } from "vitest";
import type { ServerState } from "../../../core/http/deps.ts";
import { createScriptedApp } from "../../fixtures/scripted-app.ts";
import { systemFingerprint } from "../../../core/receipt/fingerprint.ts";

const CHAT = "/v1/chat/completions";
const hello = { model: "m", messages: [{ role: "user", content: "hi" }] };

async function errorOf(response: Response, status: number): Promise<Record<string, unknown>> {
  expect(response.status).toBe(status);
  expect(response.headers.get("content-type")).toMatch(/^application\/json/);
  expect(response.headers.get("x-request-id")).toBeTruthy();
  const body = await response.json();
  expect(Object.keys(body)).toEqual(["error"]);
  expect(Object.keys(body.error).toSorted()).toEqual(["code", "message", "param", "type"]);
  return body.error;
}

test("GET /v1/models lists the models, with backend and context beside OpenAI's fields", async () => {
  const { get, served } = createScriptedApp();
  const model = {
    id: "m",
    object: "model",
    created: 1_780_000_000,
    owned_by: "sirocco",
    type: "base",
    capabilities: { completion_chat: true, completion_fim: false, function_calling: true },
    max_context_length: 4096,
    aliases: ["organisation/m"],
    sirocco: {
      backend: "scripted",
      threads: 1,
      context_length: 4096,
      digest: "0123456789abcdef0123456789abcdef",
      aliases: ["organisation/m"],
      chat: true,
      capabilities: { chat: true, completion: true, fim: false, tools: true, embed: true },
      fingerprint: systemFingerprint("0123456789abcdef0123456789abcdef", served.engine.info),
      reads_clock: false,
    },
  };
  expect(await (await get("/v1/models")).json()).toEqual({ object: "list", data: [model] });
  expect(await (await get("/v1/models/m")).json()).toEqual(model);
  expect(await (await get("/v1/models/organisation/m")).json()).toEqual(model);
  expect(await (await get("/v1/models/organisation%2Fm")).json()).toEqual(model);
});

test("a model that is not served is 404 and the error names those that are", async () => {
  const { get, post } = createScriptedApp();
  const expected = {
    message: "Cannot find the model 'x': served are 'm'",
    type: "invalid_request_error",
    param: "model",
    code: "model_not_found",
  };
  expect(await errorOf(await get("/v1/models/x"), 404)).toEqual(expected);
  expect(await errorOf(await post(CHAT, { ...hello, model: "x" }), 404)).toEqual(expected);
});

test("an unknown path is 404, another method is 405 and says which is allowed", async () => {
  const { get, post } = createScriptedApp();
  expect(await errorOf(await get("/v1/nothing"), 404)).toMatchObject({ code: "not_found" });
  for (const [path, method, allow] of [
    [CHAT, "GET", "POST, OPTIONS"],
    [CHAT, "DELETE", "POST, OPTIONS"],
    ["/v1/models", "POST", "GET, HEAD, OPTIONS"],
    ["/v1/models/m", "DELETE", "GET, HEAD, OPTIONS"],
    ["/metrics", "PUT", "GET, HEAD, OPTIONS"],
    ["/", "POST", "GET, HEAD, OPTIONS"],
  ] as const) {
    const response = await get(path, { method });
    expect(response.headers.get("allow")).toBe(allow);
    expect(await errorOf(response, 405)).toMatchObject({ code: "method_not_allowed" });
  }
  expect((await post("/livez", {})).status).toBe(405);
});

test("HEAD answers as GET without a body; OPTIONS says what is allowed and nothing about CORS", async () => {
  const { get } = createScriptedApp();
  const head = await get("/v1/models", { method: "HEAD" });
  expect([head.status, await head.text()]).toEqual([200, ""]);
  expect((await get(CHAT, { method: "HEAD" })).status).toBe(405);
  const options = await get(CHAT, {
    method: "OPTIONS",
    headers: { origin: "https://evil.example" },
  });
  expect([options.status, options.headers.get("allow")]).toEqual([204, "POST, OPTIONS"]);
  expect([...options.headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual(
    [],
  );
});

test("x-request-id is taken over, made harmless, or made up, on every answer", async () => {
  const { get, post } = createScriptedApp({ reply: "x" });
  const idOf = async (given: string) => {
    const response = await get("/livez", { headers: { "x-request-id": given } });
    return response.headers.get("x-request-id");
  };
  expect(await idOf("trace-1:a/b=c@d+e.f_g")).toBe("trace-1:a/b=c@d+e.f_g");
  expect(await idOf('a"b <c>;d\\e\tf')).toBe("abcdef");
  expect(await idOf("x".repeat(300))).toBe("x".repeat(128));
  expect(await idOf("«»")).toMatch(/^req_id\d+$/);
  for (const response of [
    await get("/nothing"),
    await get(CHAT),
    await post(CHAT, "{"),
    await post(CHAT, hello),
    await post(CHAT, { ...hello, stream: true }),
    await get("/"),
  ]) {
    expect(response.headers.get("x-request-id")).toMatch(/^req_id\d+$/);
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    expect(response.headers.get("openai-processing-ms")).toMatch(/^\d+$/);
    await response.body?.cancel();
  }
});

test("only JSON is read: other types are 415", async () => {
  const { post } = createScriptedApp({ reply: "x" });
  const wrong = [
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "",
    "application/json; charset=latin1",
  ];
  for (const type of wrong) {
    const response = await post(CHAT, hello, { headers: { "content-type": type } });
    expect(await errorOf(response, 415)).toMatchObject({ code: "unsupported_media_type" });
  }
  const zipped = { headers: { "content-encoding": "gzip" } };
  expect((await post(CHAT, hello, zipped)).status).toBe(415);
  for (const type of ["application/json", "Application/JSON; charset=UTF-8"]) {
    const response = await post(CHAT, hello, { headers: { "content-type": type } });
    expect(response.status).toBe(200);
  }
});

test("a body over the limit is 413, announced or not, and is not read to its end", async () => {
  const { post, app } = createScriptedApp({ reply: "x" }, { limits: { bodyBytes: 1000 } });
  const large = { ...hello, user: "x".repeat(1000) };
  expect(await errorOf(await post(CHAT, large), 413)).toMatchObject({ code: "request_too_large" });

  let pulled = 0;
  let cancelled = false;
  const endless = new ReadableStream<Uint8Array>({
    pull(controller) {
      pulled++;
      controller.enqueue(new Uint8Array(100).fill(0x20));
    },
    cancel() {
      cancelled = true;
    },
  });
  const request = new Request(`http://localhost${CHAT}`, {
    method: "POST",
    body: endless,
    headers: { "content-type": "application/json" },
    duplex: "half",
  } as RequestInit);
  expect((await app.fetch(request)).status).toBe(413);
  expect([pulled < 20, cancelled]).toEqual([true, true]);
});

test("a body that does not arrive in time is 408", async () => {
  const { app } = createScriptedApp({}, { limits: { bodyTimeoutMs: 10 } });
  const request = new Request(`http://localhost${CHAT}`, {
    method: "POST",
    body: new ReadableStream({}),
    headers: { "content-type": "application/json" },
    duplex: "half",
  } as RequestInit);
  const response = await app.fetch(request);
  expect(response.headers.get("x-should-retry")).toBe("true");
  expect(await errorOf(response, 408)).toMatchObject({ type: "timeout_error" });
});

const deep = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`;

test("a body that is no JSON, no UTF-8 or nested too deep is 400", async () => {
  const { post, app } = createScriptedApp({ reply: "x" });
  const inString = JSON.stringify({ ...hello, user: `\\"${"[".repeat(100)}` });
  expect((await post(CHAT, inString)).status).toBe(200);
  for (const body of ["", "{", '{"a":}', deep(65), "[".repeat(1_000_000), '{"a":"\\']) {
    expect(await errorOf(await post(CHAT, body), 400)).toMatchObject({ param: null, code: null });
  }
  expect((await errorOf(await post(CHAT, deep(65)), 400))["message"]).toMatch(/deeper than 64/);
  expect((await errorOf(await post(CHAT, deep(64)), 400))["message"]).not.toMatch(/deeper/);
  const broken = new Request(`http://localhost${CHAT}`, {
    method: "POST",
    body: Uint8Array.of(0x22, 0xff, 0x22),
    headers: { "content-type": "application/json" },
  });
  expect((await errorOf(await app.fetch(broken), 400))["message"]).toMatch(/UTF-8/);
});

test("/livez fails when an engine makes no progress, and says so", async () => {
  for (const [stalledMs, status] of [
    [0, 200],
    [9999, 200],
    [10_000, 503],
  ] as const) {
    const { get } = createScriptedApp({ stats: { stalledMs } });
    for (const path of ["/livez", "/healthz", "/readyz", "/health", "/ready"]) {
      const response = await get(path);
      expect(response.status, path).toBe(status);
      expect(response.headers.get("cache-control")).toBe("no-store");
      const body = await response.json();
      expect(body).toMatchObject({
        status: status === 200 ? "ok" : "failing",
        version: "1.2.3",
        models: [{ model: "m", backend: "scripted", backend_reason: "slower" }],
      });
      // What the hardware is called is nobody's business out there.
      expect(JSON.stringify(body)).not.toContain("acme");
      expect(body.reasons).toHaveLength(status === 200 ? 0 : 1);
    }
  }
});

test("/readyz and /startupz follow the server's state, /livez does not", async () => {
  const expected: Record<ServerState, readonly number[]> = {
    loading: [200, 503, 503],
    ready: [200, 200, 200],
    leaving: [200, 503, 200],
    draining: [200, 503, 200],
  };
  for (const state of ["loading", "ready", "leaving", "draining"] as const) {
    const { get } = createScriptedApp({}, { state: () => state });
    const statuses = await Promise.all(
      ["/livez", "/readyz", "/startupz"].map(async (path) => (await get(path)).status),
    );
    expect(statuses, state).toEqual(expected[state]);
  }
  const { get } = createScriptedApp({}, { models: () => [] });
  expect(await (await get("/readyz")).json()).toMatchObject({ reasons: ["no model is served"] });
});

test("a draining server refuses new requests and lets go of connections; a leaving one still serves", async () => {
  const draining = createScriptedApp({ reply: "x" }, { state: () => "draining" });
  const response = await draining.post(CHAT, hello);
  expect(Object.fromEntries(response.headers)).toMatchObject({
    connection: "close",
    "retry-after": "5",
    "x-should-retry": "true",
  });
  expect(await errorOf(response, 503)).toMatchObject({ type: "server_error", code: "draining" });
  const leaving = createScriptedApp({ reply: "x" }, { state: () => "leaving" });
  expect((await leaving.post(CHAT, hello)).status).toBe(200);
});

test("a request waits for a model that is loading, but not for ever", async () => {
  let state: ServerState = "loading";
  const { post } = createScriptedApp({ reply: "x" }, { state: () => state });
  const answer = post(CHAT, hello);
  setTimeout(() => {
    state = "ready";
  }, 20);
  expect((await answer).status).toBe(200);
  state = "loading";
  const limits = { loadingWaitMs: 10 };
  const impatient = createScriptedApp({}, { state: () => "loading", limits });
  const response = await impatient.post(CHAT, hello);
  expect(response.headers.get("retry-after")).toBe("5");
  expect(await errorOf(response, 503)).toMatchObject({ code: "model_loading" });
});

test("every request is logged once, without its content", async () => {
  const { post, get, logs } = createScriptedApp({ reply: "secret answer" });
  await post(CHAT, { model: "m", messages: [{ role: "user", content: "secret question" }] });
  await get("/v1/models?key=secret");
  await post(CHAT, { ...hello, temperature: "secret" });
  expect(logs).toMatchObject([
    {
      level: "info",
      event: "request",
      method: "POST",
      path: CHAT,
      status: 200,
      model: "m",
      stream: false,
      prompt_tokens: 23,
      completion_tokens: 13,
      finish_reason: "stop",
    },
    { path: "/v1/models", status: 200 },
    { status: 400, code: "INVALID_REQUEST" },
  ]);
  expect(JSON.stringify(logs)).not.toContain("secret");
});
