import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { createExporter } from "../../../core/trace/exporter.ts";
import type { Span, Tracer } from "../../../core/trace/span.ts";
import { parseTraceparent, randomHex, toTraceparent } from "../../../core/trace/traceparent.ts";
import { createScriptedApp } from "../../fixtures/scripted-app.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN = "00f067aa0ba902b7";
const CHAT = "/v1/chat/completions";
const hello = { model: "m", messages: [{ role: "user", content: "secret" }] };

describe("parseTraceparent", () => {
  test("takes what the W3C's recommendation calls valid", () => {
    const context = { traceId: TRACE, spanId: SPAN };
    expect(parseTraceparent(`00-${TRACE}-${SPAN}-01`)).toEqual({ ...context, sampled: true });
    expect(parseTraceparent(`00-${TRACE}-${SPAN}-00`)).toEqual({ ...context, sampled: false });
    expect(parseTraceparent(`00-${TRACE}-${SPAN}-ff`)).toMatchObject({ sampled: true });
    expect(parseTraceparent(`cc-${TRACE}-${SPAN}-01-later`)).toMatchObject(context);
  });

  test.each([
    "",
    "x",
    `00-${TRACE}-${SPAN}`,
    `00-${TRACE}-${SPAN}-01-more`,
    `ff-${TRACE}-${SPAN}-01`,
    `00-${"0".repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${"0".repeat(16)}-01`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    `00-${TRACE}0-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-0x`,
  ])("refuses %j", (header) => expect(parseTraceparent(header)).toBeUndefined());

  test("reads what toTraceparent writes, with fresh ids", () => {
    const context = { traceId: randomHex(16), spanId: randomHex(8), sampled: true };
    expect(parseTraceparent(toTraceparent(context))).toEqual(context);
    expect(new Set(Array.from({ length: 100 }, () => randomHex(8))).size).toBe(100);
  });
});

function recorder(sampled = true): { readonly tracer: Tracer; readonly spans: Span[] } {
  const spans: Span[] = [];
  return {
    spans,
    tracer: { sample: () => sampled, record: (more) => void spans.push(...more) },
  };
}

const pace = () => new Promise<void>((resolve) => setTimeout(resolve, 5));

/** The share of 2000 traces that an exporter takes. */
function share(sampleRatio: number): number {
  const exporter = createExporter({ endpoint: "http://x", version: "1", sampleRatio });
  return Array.from({ length: 2000 }, () => exporter.sample()).filter(Boolean).length / 2000;
}

describe("requests make spans", () => {
  test("stages add up inside the server's span, whether whole or streamed; prompts stay out", async () => {
    for (const stream of [false, true]) {
      const { tracer, spans } = recorder();
      const { post } = createScriptedApp({ reply: "hello" }, { tracer });
      const response = await post(CHAT, { ...hello, stream });
      if (stream) expect(spans).toEqual([]);
      await response.text();
      expect(spans.map(({ name }) => name)).toEqual([
        "tokenize",
        "queue",
        "prefill",
        "decode",
        "write",
        "chat m",
      ]);
      const root = spans.at(-1)!;
      for (const span of spans) {
        expect(span.traceId).toBe(root.traceId);
        expect(span.endMs).toBeGreaterThanOrEqual(span.startMs);
        expect(span.parentId).toBe(span === root ? undefined : root.spanId);
      }
      expect(root.attributes).toMatchObject({
        "gen_ai.usage.input_tokens": 14,
        "gen_ai.usage.output_tokens": 5,
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.request.stream": stream,
      });
      expect(JSON.stringify(spans)).not.toContain("secret");
    }
  });

  test("a client that leaves ends the span with 499, a failure with its code", async () => {
    const { tracer, spans } = recorder();
    const { post } = createScriptedApp({ reply: "x".repeat(500), pace }, { tracer });
    const reader = (await post(CHAT, { ...hello, stream: true })).body!.getReader();
    await reader.read();
    await reader.cancel();
    expect(spans.at(-1)?.attributes["http.response.status_code"]).toBe(499);
    const failing = createScriptedApp(
      { reply: "abc", failAt: { index: 0, error: "INTERNAL" } },
      { tracer },
    );
    await failing.post(CHAT, hello);
    expect(spans.at(-1)).toMatchObject({ error: "INTERNAL" });
  });

  test("without a tracer nothing is made up; a caller's trace is passed on with our own span", async () => {
    const { get, logs } = createScriptedApp();
    expect((await get("/v1/models")).headers.get("traceparent")).toBeNull();
    const traceparent = `00-${TRACE}-${SPAN}-01`;
    const answered = (await get("/v1/models", { headers: { traceparent } })).headers.get(
      "traceparent",
    );
    expect(parseTraceparent(answered)).toMatchObject({ traceId: TRACE, sampled: true });
    expect(answered).not.toContain(SPAN);
    expect(logs.at(-1)).toMatchObject({ traceparent: answered });
  });

  test("probes and metrics are not traced", async () => {
    const { tracer, spans } = recorder();
    const { get } = createScriptedApp({}, { tracer });
    for (const path of ["/livez", "/metrics", "/"]) await get(path);
    expect(spans).toEqual([]);
    await get("/v1/models");
    expect(spans.map(({ name }) => name)).toEqual(["GET /v1/models"]);
  });
});

describe("createExporter", () => {
  let server: Server | undefined;

  afterEach(() => {
    server?.closeAllConnections();
    server?.close();
  });

  const span: Span = {
    traceId: TRACE,
    spanId: SPAN,
    sampled: true,
    parentId: undefined,
    traceState: undefined,
    name: "s",
    kind: "server",
    startMs: 1,
    endMs: 2,
    attributes: {},
    error: undefined,
  };

  /** A collector that answers with `status`, and how many spans each message had. */
  async function collector(status: number) {
    const sizes: number[] = [];
    server = createServer((request, response) => {
      let text = "";
      request.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      request.on("end", () => {
        sizes.push(JSON.parse(text).resourceSpans[0].scopeSpans[0].spans.length);
        response.writeHead(status).end();
      });
    });
    await new Promise<void>((resolve) => server!.listen(0, "127.0.0.1", resolve));
    return { sizes, endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` };
  }

  test("sends in bounded batches, one at a time, and counts what is lost", async () => {
    const { sizes, endpoint } = await collector(200);
    let lost = 0;
    const exporter = createExporter({ endpoint, version: "1", onLost: (spans) => (lost += spans) });
    for (let i = 0; i < 6000; i++) exporter.record([span]);
    await exporter.flush();
    expect(Math.max(...sizes)).toBeLessThanOrEqual(512);
    expect(sizes.reduce((sum, size) => sum + size, 0) + lost).toBe(6000);
    expect(lost).toBeGreaterThan(0);
    await exporter.close();
    exporter.record([span]);
    expect(sizes.reduce((sum, size) => sum + size, 0) + lost).toBe(6001);
  });

  test("a collector that refuses or is not there costs spans and nothing else", async () => {
    const { endpoint } = await collector(500);
    let lost = 0;
    const onLost = (spans: number) => void (lost += spans);
    for (const place of [endpoint, "http://127.0.0.1:1"]) {
      const exporter = createExporter({ endpoint: place, version: "1", onLost });
      exporter.record([span, span]);
      await exporter.close();
    }
    expect(lost).toBe(4);
  });

  test("sampleRatio is the share that sample takes", () => {
    expect(share(0)).toBe(0);
    expect(share(1)).toBe(1);
    expect(share(0.3)).toBeGreaterThan(0.2);
    expect(share(0.3)).toBeLessThan(0.4);
  });
});
