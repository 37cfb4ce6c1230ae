import { describe, expect, test } from "vitest";
import { RuntimeError } from "../../../core/errors.ts";
import { createAccess } from "../../../core/http/edge/access.ts";
import { configured, KEYS } from "../../fixtures/keyed-app.ts";

import {
  CHAT,
  ask,
  TEXT,
  open,
  steady,
  full,
  served,
  asked,
  contentOf,
  streamedText,
  caching,
  tick,
  provider,
  until,
} from "./pool-rig.ts";

describe("a server with a model and a pool", () => {
  test("answers by itself while it has room", async () => {
    const { edge, nodes } = await open([steady()], { local: steady() });
    const response = await edge.post(CHAT, ask);
    expect(served(response)).toBe("local;why=room");
    expect(await contentOf(response)).toBe(TEXT);
    expect(asked(nodes)).toEqual([0]);
  });

  test("by the pool where requests would wait, or its own queue is full", async () => {
    const busy = await open([steady()], { local: steady({ stats: { running: 8, waiting: 20 } }) });
    const response = await busy.edge.post(CHAT, ask);
    expect(served(response)).toBe('pool;node="n0";why=queue');
    expect(await contentOf(response)).toBe(TEXT);
    const other = await open([steady()], { local: full });
    expect(served(await other.edge.post(CHAT, ask))).toBe('pool;node="n0";why=queue-full');
  });

  test("by itself where the pool is gone, however busy", async () => {
    const local = steady({ stats: { running: 8, waiting: 20 } });
    const { edge, reached } = await open([steady()], { local });
    reached["http://node-0"]!.down = true;
    expect(served(await edge.post(CHAT, ask))).toBe("local;why=upstream-error");
  });

  test("goes on in the pool where its own engine fails in the middle", async () => {
    const local = steady({
      reply: TEXT,
      failAt: { index: 20, error: new RuntimeError("NOT_READY", "The worker died") },
    });
    const { edge } = await open([steady()], { local });
    expect(await streamedText(await edge.post(CHAT, { ...ask, stream: true }))).toBe(TEXT);
  });

  test("a thousand equal requests are one computation, wherever it is", async () => {
    for (const busy of [false, true]) {
      const stats = busy ? { running: 8, waiting: 20 } : {};
      const { edge, nodes } = await open([steady({ pace: tick })], {
        local: steady({ pace: tick, stats }),
        deps: { caching: caching() },
      });
      const all = await Promise.all(
        Array.from({ length: 1000 }, async (_, i) =>
          i % 2 === 0
            ? contentOf(await edge.post(CHAT, ask))
            : streamedText(await edge.post(CHAT, { ...ask, stream: true })),
        ),
      );
      expect(new Set(all)).toEqual(new Set([TEXT]));
      expect([edge.engine.requests.length, ...asked(nodes)]).toEqual(busy ? [0, 1] : [1, 0]);
    }
  });
});

test("equal requests that are not shared here meet at one node, which computes them once", async () => {
  const nodeDeps = { caching: caching() };
  const { edge, nodes } = await open([steady({ pace: tick }), steady({ pace: tick })], {
    nodeDeps,
  });
  // What it answers shows that the node keeps answers.
  for (let i = 0; i < 8; i++) {
    const content = `Hello ${i}`;
    await edge.post(CHAT, { ...ask, messages: [{ role: "user", content }] });
  }
  const before = asked(nodes).reduce((sum, count) => sum + count, 0);
  const all = await Promise.all(
    Array.from({ length: 100 }, async (_, i) =>
      i % 2 === 0
        ? contentOf(await edge.post(CHAT, ask))
        : streamedText(await edge.post(CHAT, { ...ask, stream: true })),
    ),
  );
  expect(new Set(all)).toEqual(new Set([TEXT]));
  expect(asked(nodes).reduce((sum, count) => sum + count, 0) - before).toBe(1);
});

describe("below the last rung", () => {
  test("is a stale answer, and where there is none an error that says why", async () => {
    let time = 1_790_000_000_000;
    const { edge, reached } = await open([steady()], { deps: { caching: caching(() => time) } });
    const first = await (await edge.post(CHAT, ask)).text();
    await until(async () => (await edge.post(CHAT, ask)).headers.get("age") === "0");
    reached["http://node-0"]!.down = true;
    time += 60_000 + 200_000;
    const stale = await edge.post(CHAT, ask);
    expect(await stale.text()).toBe(first);
    expect(stale.headers.get("cache-status")).toContain("hit; ttl=-200");
    time += 200_000;
    const response = await edge.post(CHAT, ask);
    expect([response.status, (await response.json()).error.code]).toEqual([503, "not_ready"]);
  });
});

describe("what goes along", () => {
  test("is the client's body, its trace and what is left of its time; never its key", async () => {
    const keys = [await configured("user")];
    const access = createAccess(keys, () => performance.now());
    const { edge, sent } = await open([steady()], { deps: { access }, key: "sk-pool" });
    const headers = {
      authorization: `Bearer ${KEYS["user"]}`,
      cookie: "session=1",
      "x-request-id": "request-1",
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      "x-sirocco-timeout-ms": "5000",
    };
    expect((await edge.post(CHAT, ask, { headers })).status).toBe(200);
    const last = sent.at(-1)!.headers;
    expect(last).toMatchObject({ authorization: "Bearer sk-pool", "x-request-id": "request-1" });
    expect(last["traceparent"]).toMatch(/^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$/);
    expect(Number(last["x-sirocco-timeout-ms"])).toBeGreaterThan(4000);
    expect(Number(last["x-sirocco-timeout-ms"])).toBeLessThanOrEqual(5000);
    expect(Object.keys(last)).not.toContain("cookie");
    expect(last["x-sirocco-relay"]).toContain("tenant=user");
    expect(JSON.stringify(last)).not.toContain(KEYS["user"]);
  });

  test("a key pays for the tokens that the node has counted", async () => {
    const key = await configured("user", { limits: { tokensPerMinute: 100_000 } });
    const access = createAccess([key], () => 0);
    const { edge } = await open([steady()], { deps: { access } });
    const headers = { authorization: `Bearer ${KEYS["user"]}` };
    expect((await edge.post(CHAT, ask, { headers })).status).toBe(200);
    const { headers: told } = await edge.get("/v1/models", { headers });
    const prompt = "user: Hello\n".length + 1;
    expect(told.get("x-ratelimit-remaining-tokens")).toBe(`${100_000 - prompt - TEXT.length}`);
  });

  test("a tenant is believed only from a key that may relay", async () => {
    const relayKey = await configured("pool", { scopes: ["inference", "relay"] });
    const plainKey = await configured("plain");
    const nodeAccess = createAccess([relayKey, plainKey], () => performance.now());
    const access = createAccess([await configured("user")], () => performance.now());
    const headers = { authorization: `Bearer ${KEYS["user"]}` };
    for (const [key, tenant] of [
      ["sk-pool", "user"],
      ["sk-plain", "plain"],
    ] as const) {
      const nodeDeps = { access: nodeAccess, caching: caching() };
      const { edge, nodes } = await open([steady()], { deps: { access }, key, nodeDeps });
      for (let i = 0; i < 2; i++) await edge.post(CHAT, ask, { headers });
      expect(nodes[0]!.engine.requests[0]!.tenant).toBe(tenant);
      // What it is not told it does not keep, as it could be anybody's.
      expect(nodes[0]!.engine.requests).toHaveLength(tenant === "user" ? 1 : 2);
    }
  });

  test("is passed on once: servers that name one another as their pool do not go in circles", async () => {
    const outer = await open([steady()]);
    const { edge, reached } = await open([steady()]);
    reached["http://node-0"]!.fetch = (request) => outer.edge.app.fetch(request);
    const response = await edge.post(CHAT, ask);
    expect(response.status).toBe(503);
    const relay = "hops=2;model=m;fingerprint=fp_1;seed=1";
    const twice = await outer.nodes[0]!.post(CHAT, ask, { headers: { "x-sirocco-relay": relay } });
    expect([twice.status, (await twice.json()).error.code]).toEqual([508, "relay_loop"]);
    for (const value of ["", "hops=1", "hops=0;model=m;fingerprint=f;seed=1", "x".repeat(3000)]) {
      const headers = { "x-sirocco-relay": value };
      expect((await outer.nodes[0]!.post(CHAT, ask, { headers })).status).toBe(400);
    }
  });
});

describe("somebody else's server", () => {
  test("answers where there is room nowhere, as itself, and its answers are not kept", async () => {
    const { upstream, sent } = provider();
    const { edge } = await open([full], { local: full, deps: { upstream, caching: caching() } });
    for (const stream of [true, false]) {
      const response = await edge.post(CHAT, { ...ask, stream });
      expect(served(response)).toBe("upstream;why=queue-full");
      expect(response.headers.get("cache-status")).toBe("sirocco; fwd=miss");
      const text = await response.text();
      expect(text).toContain('"model":"gpt"');
      if (stream) expect(text.trimEnd().endsWith("data: [DONE]")).toBe(true);
    }
    expect(sent).toHaveLength(2);
    expect(sent[0]!.url).toBe("http://provider/v1/chat/completions");
    expect(sent[0]!.headers["authorization"]).toBe("Bearer sk-provider");
  });

  test("is asked once for requests that are equal to the byte and may share an answer", async () => {
    const rig = provider();
    const { edge } = await open([full], {
      local: full,
      deps: { upstream: rig.upstream, caching: caching() },
    });
    for (const [asks, stream] of [
      [1, true],
      [2, false],
    ] as const) {
      const answers = await Promise.all(
        Array.from({ length: 8 }, async () => {
          const response = await edge.post(CHAT, { ...ask, stream });
          return { status: response.headers.get("cache-status"), text: await response.text() };
        }),
      );
      expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
      expect(answers[0]!.text).toContain('"model":"gpt"');
      expect(answers.filter(({ status }) => status!.includes("collapsed"))).toHaveLength(7);
      expect(rig.sent).toHaveLength(asks);
    }
    // Other bytes may mean something else there, chance makes other answers, and nothing is kept.
    const others = [
      { ...ask, user: "a" },
      { ...ask, user: "b" },
      { ...ask, temperature: 1 },
    ];
    await Promise.all([...others, others[2]].map((body) => edge.post(CHAT, body)));
    expect(rig.sent).toHaveLength(6);
    const { authorization: _, ...headers } = rig.sent[0]!.headers;
    expect(headers).not.toHaveProperty("x-sirocco-timeout-ms");
  });

  test("is never asked for one tenant by another's request, and whoever leaves stops nobody", async () => {
    const rig = provider();
    const keys = [await configured("user"), await configured("other")];
    const access = createAccess(keys, () => 0);
    const deps = { upstream: rig.upstream, caching: caching(), access };
    const { edge } = await open([full], { local: full, deps });
    const as = (id: string, signal?: AbortSignal) =>
      edge.post(CHAT, ask, {
        headers: { authorization: `Bearer ${KEYS[id]}` },
        ...(signal === undefined ? {} : { signal }),
      });
    const leaving = new AbortController();
    const first = as("user", leaving.signal).catch(() => undefined);
    const second = as("user");
    const third = as("other");
    await until(() => rig.sent.length > 0);
    leaving.abort();
    expect(await contentOf(await second)).toBe("from afar");
    expect(await contentOf(await third)).toBe("from afar");
    expect(rig.sent).toHaveLength(2);
    await first;
  });

  test("is not asked for what is the request's own fault, nor in another API's words", async () => {
    const { upstream, sent } = provider();
    const { edge } = await open([full], { local: full, deps: { upstream } });
    expect((await edge.post(CHAT, { ...ask, temperature: -1 })).status).toBe(400);
    const other = { model: "m", max_tokens: 9, messages: ask.messages };
    expect((await edge.post("/v1/messages", other)).status).toBe(429);
    expect(sent).toHaveLength(0);
  });

  test("that breaks off ends the stream with an error and without an end", async () => {
    const { upstream, cuts } = provider();
    cuts.push(3);
    const { edge } = await open([full], { local: full, deps: { upstream } });
    const text = await (await edge.post(CHAT, { ...ask, stream: true })).text();
    expect(text).toContain("upstream_error");
    expect(text).not.toContain("[DONE]");
    const whole = await edge.post(CHAT, ask);
    expect(whole.status).toBe(200);
  });

  test("that is away costs five attempts, one line, and then nothing", async () => {
    const { upstream, sent, logs } = provider(true);
    const { edge } = await open([full], { local: full, deps: { upstream } });
    for (let i = 0; i < 12; i++) expect((await edge.post(CHAT, ask)).status).toBe(429);
    expect(sent).toHaveLength(5);
    expect(logs).toEqual([{ level: "error", event: "upstream_out", why: "lost" }]);
  });

  test("gets no more requests in a minute than its budget", async () => {
    const { upstream, sent } = provider();
    const { edge } = await open([full], { local: full, deps: { upstream } });
    const all = await Promise.all(Array.from({ length: 30 }, () => edge.post(CHAT, ask)));
    expect(all.filter(({ status }) => status === 429)).toHaveLength(10);
    expect(sent).toHaveLength(20);
  });
});
