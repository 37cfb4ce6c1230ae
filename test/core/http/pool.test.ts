import { describe, expect, test } from "vitest";
import { createScriptedApp, eventsOf } from "../../fixtures/scripted-app.ts";

import {
  CHAT,
  TEXT,
  ask,
  asked,
  caching,
  contentOf,
  failing,
  open,
  served,
  steady,
  streamedText,
  until,
} from "./pool-rig.ts";

const timeless = (text: string) =>
  text.replaceAll(/"timings":\{[^}]*\}|"\w+_duration":\d+,?|"(?:id|call_id)":"[^"]*"|id\d+/g, "");

describe("an edge without a model", () => {
  test("answers by the pool, in every API's own words and as the node itself would", async () => {
    const { edge, nodes } = await open([steady()]);
    const alone = createScriptedApp(steady());
    const messages = [{ role: "user", content: "Hello" }];
    for (const [path, body] of [
      [CHAT, ask],
      [CHAT, { ...ask, stream: true, stream_options: { include_usage: true } }],
      [CHAT, { ...ask, n: 3, logprobs: true, top_logprobs: 1 }],
      ["/v1/completions", { model: "m", prompt: ["a", "b"], best_of: 2, seed: 7 }],
      ["/v1/messages", { model: "m", max_tokens: 20, messages, stream: true }],
      ["/v1/responses", { model: "m", input: "Hello", temperature: 0 }],
      ["/api/chat", { model: "m", messages }],
      ["/api/generate", { model: "m", prompt: "Hello", stream: false }],
    ] as const) {
      const response = await edge.post(path, body);
      expect([path, response.status]).toEqual([path, 200]);
      expect(served(response)).toBe('pool;node="n0";why=no-model');
      const own = await alone.post(path, body);
      expect(response.headers.get("content-type")).toBe(own.headers.get("content-type"));
      expect(timeless(await response.text())).toBe(timeless(await own.text()));
    }
    expect(nodes[0]!.engine.busy()).toBe(0);
  });

  test("lists the pool's models, is ready while there is one, and passes everything else on", async () => {
    const { edge, nodes, reached, pool } = await open([steady()]);
    const list = await (await edge.get("/v1/models")).json();
    expect(list).toEqual(await (await nodes[0]!.get("/v1/models")).json());
    expect((await edge.get("/v1/models/m")).status).toBe(200);
    const [tag] = (await (await edge.get("/api/tags")).json()).models;
    const [own] = (await (await nodes[0]!.get("/api/tags")).json()).models;
    expect(tag).toMatchObject({ ...own, size: 0, details: { format: "gguf" } });
    expect((await edge.get("/readyz")).status).toBe(200);
    const embed = { model: "m", input: "Hello" };
    const given = (await (await edge.post("/v1/embeddings", embed)).json()) as { data: object };
    const there = (await (await nodes[0]!.post("/v1/embeddings", embed)).json()) as {
      data: object;
    };
    expect(given.data).toEqual(there.data);
    expect(await (await edge.post("/tokenize", { model: "m", prompt: "Hi" })).json()).toEqual(
      await (await nodes[0]!.post("/tokenize", { model: "m", prompt: "Hi" })).json(),
    );
    reached["http://node-0"]!.down = true;
    for (let i = 0; i < 5; i++) await edge.post(CHAT, ask);
    await pool.tend();
    expect((await edge.get("/readyz")).status).toBe(503);
    const response = await edge.post(CHAT, ask);
    expect([response.status, (await response.json()).error.code]).toEqual([503, "not_ready"]);
  });

  test("gives a request's own faults in its API's words, and asks nobody twice for them", async () => {
    const { edge, nodes } = await open([steady(), steady()]);
    const long = { ...ask, messages: [{ role: "user", content: "x".repeat(5000) }] };
    const response = await edge.post(CHAT, long);
    expect([response.status, (await response.json()).error.code]).toEqual([
      400,
      "context_length_exceeded",
    ]);
    const messages = [{ role: "user", content: "x".repeat(5000) }];
    const other = await edge.post("/v1/messages", { model: "m", max_tokens: 9, messages });
    expect(await other.json()).toMatchObject({
      type: "error",
      error: { type: "invalid_request_error" },
    });
    expect(asked(nodes)).toEqual([0, 0]);
  });

  test("tells tokens and receipts of the node", async () => {
    const { edge } = await open([steady()]);
    const whole = await edge.post(CHAT, ask, { headers: { "x-sirocco-receipt": "1" } });
    expect(await whole.json()).toMatchObject({ receipt: { model: { name: "m" } } });
    const stream = await edge.post("/v1/messages", {
      model: "m",
      max_tokens: 5,
      messages: [{ role: "user", content: "Hello" }],
      stream: true,
    });
    expect(await stream.text()).toContain('"input_tokens":13');
  });
});

describe("a node that is lost", () => {
  test("in the middle of an answer: another goes on, and the client sees one stream", async () => {
    for (const cutAfter of [0, 1, 2, 10, 40]) {
      const { edge, cuts, nodes, events } = await open([steady(), steady()]);
      cuts.push(cutAfter);
      const response = await edge.post(CHAT, { ...ask, stream: true, temperature: 1 });
      expect(await streamedText(response)).toBe(TEXT);
      expect(asked(nodes)).toEqual([1, 1]);
      expect(nodes[0]!.engine.requests[0]!.sampling.seed).toBe(
        nodes[1]!.engine.requests[0]!.sampling.seed,
      );
      // The head and one event have to be there before anything is sent.
      expect(events).toEqual([cutAfter < 2 ? "move" : "continue"]);
      expect(nodes.map(({ engine }) => engine.busy())).toEqual([0, 0]);
    }
  });

  test("what was generated need not be generated again, and what a client says was is believed by nobody else", async () => {
    const nodeDeps = { caching: caching() };
    const { edge, cuts, nodes } = await open([steady(), steady()], { nodeDeps });
    cuts.push(20);
    const response = await edge.post(CHAT, { ...ask, stream: true });
    expect(await streamedText(response)).toBe(TEXT);
    const [first, second] = nodes
      .flatMap(({ engine }) => engine.requests)
      .toSorted((a, b) => (a.emitted?.length ?? 0) - (b.emitted?.length ?? 0));
    expect(first!.emitted).toBeUndefined();
    expect(second!.emitted!.length).toBeGreaterThanOrEqual(18);
    expect(new TextDecoder().decode(Uint8Array.from(second!.emitted!))).toBe(
      TEXT.slice(0, second!.emitted!.length),
    );
    // A forged beginning is answered, as it was asked for, and neither kept nor shared.
    const emitted = btoa("Forged").replaceAll("=", "");
    const { fingerprint } = (await (await edge.get("/v1/models/m")).json()).sirocco;
    const relay = `hops=1;model=m;fingerprint=${fingerprint};seed=0;emitted=${emitted}`;
    const body = { ...ask, messages: [{ role: "user", content: "Something else" }] };
    const headers = { "x-sirocco-relay": relay };
    const forged = await (await nodes[0]!.post(CHAT, body, { headers })).text();
    expect(forged).toContain('{"head":');
    expect(forged).toContain('"behind":6');
    expect(forged).toContain("F");
    expect(await contentOf(await nodes[0]!.post(CHAT, body))).toBe(TEXT);
  });

  test("twice, with several answers on their way, whole or streamed", async () => {
    for (const stream of [true, false]) {
      const { edge, cuts, nodes } = await open([steady(), steady(), steady()]);
      cuts.push(30, 50);
      const response = await edge.post(CHAT, { ...ask, n: 2, stream });
      const texts = ["", ""];
      if (stream) {
        for (const { choices } of (await eventsOf(response)) as unknown as {
          choices: { index: number; delta: { content?: string } }[];
        }[])
          for (const { index, delta } of choices) texts[index] += delta.content ?? "";
      } else {
        const { choices } = (await response.json()) as {
          choices: { message: { content: string } }[];
        };
        for (const [i, { message }] of choices.entries()) texts[i] = message.content;
      }
      expect(texts).toEqual([TEXT, TEXT]);
      expect(asked(nodes).reduce((sum, count) => sum + count, 0)).toBe(6);
    }
  });

  test("gets nothing after five failures, and one state change is one line of the log", async () => {
    const { edge, reached, sent, logs, pool } = await open([steady(), steady()]);
    reached["http://node-0"]!.down = true;
    for (let i = 0; logs.length === 0 && i < 200; i++) {
      const content = `Hello ${i}`;
      await edge.post(CHAT, { ...ask, messages: [{ role: "user", content }] });
    }
    const failed = sent.filter(({ url }) => url.startsWith("http://node-0/v1/chat"));
    expect(failed).toHaveLength(5);
    expect(logs).toEqual([
      { level: "error", event: "pool_node_out", node: "n0", why: "lost", for_ms: 500 },
    ]);
    reached["http://node-0"]!.down = false;
    await pool.tend();
    expect(logs.at(-1)).toEqual({ level: "info", event: "pool_node_back", node: "n0" });
    expect(pool.nodes().map(({ standing }) => standing)).toEqual(["in", "in"]);
  });

  test("never becomes half of one answer and half of another", async () => {
    const scripts = [steady(), steady({ reply: TEXT.replace("fox", "cat") })];
    const { edge, cuts } = await open(scripts);
    cuts.push(60);
    // Tokens are told for one answer at a time: of several both are computed again.
    const response = await edge.post(CHAT, { ...ask, n: 2, stream: true });
    const text = await response.text();
    expect(text).not.toContain("[DONE]");
    expect(text).toContain("upstream_error");
  });
});

describe("a node in trouble", () => {
  test("its errors are tried elsewhere, and it is ejected after five", async () => {
    const { edge, nodes, logs } = await open([failing("INTERNAL"), steady()]);
    for (let i = 0; i < 40; i++) {
      const content = `Hello ${i}`;
      const response = await edge.post(CHAT, { ...ask, messages: [{ role: "user", content }] });
      expect(await contentOf(response)).toBe(TEXT);
    }
    expect(nodes[0]!.engine.requests).toHaveLength(5);
    expect(logs).toMatchObject([{ event: "pool_node_out", why: "failing", for_ms: 30_000 }]);
  });

  test("where none has room the client is told so", async () => {
    const { edge } = await open([failing("QUEUE_FULL"), failing("QUEUE_FULL")]);
    const response = await edge.post(CHAT, ask);
    expect([response.status, (await response.json()).error.code]).toEqual([429, "queue_full"]);
    expect(response.headers.get("retry-after")).not.toBeNull();
  });

  test("that is late is overtaken by another", async () => {
    const late = { ms: 0 };
    const pace = (index: number) =>
      index === 0 && late.ms > 0
        ? new Promise<void>((resolve) => setTimeout(resolve, late.ms))
        : undefined;
    const { edge, events, nodes } = await open([steady({ pace }), steady()]);
    for (let i = 0; i < 30; i++) {
      const content = `Hello ${i}`;
      await edge.post(CHAT, { ...ask, messages: [{ role: "user", content }] });
    }
    expect(events).toEqual(events.filter((event) => event.startsWith("hedge")));
    late.ms = 3000;
    const begun = performance.now();
    for (let i = 0; i < 6; i++) {
      const content = `Again ${i}`;
      const response = await edge.post(CHAT, { ...ask, messages: [{ role: "user", content }] });
      expect(await contentOf(response)).toBe(TEXT);
    }
    expect(performance.now() - begun).toBeLessThan(3000);
    expect(events).toContain("hedge_won");
    // Who was overtaken is stopped.
    await until(() => nodes[0]!.engine.busy() === 0);
  });

  test("that has other weights, or another arithmetic, is not asked for these", async () => {
    const { edge, nodes, reached, pool } = await open([steady(), steady()]);
    const other = createScriptedApp(steady(), {}, { digest: "f".repeat(32) });
    reached["http://node-1"]!.fetch = (request) => other.app.fetch(request);
    for (let i = 0; i < 8; i++) {
      const content = `Hello ${i}`;
      const response = await edge.post(CHAT, { ...ask, messages: [{ role: "user", content }] });
      expect(response.status).toBe(200);
      expect(served(response)).toContain('node="n0"');
      await pool.tend();
    }
    expect(asked(nodes)).toEqual([8, 0]);
    expect(other.engine.requests).toHaveLength(0);
  });
});
