import { readFileSync } from "node:fs";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { createAdaptorServer } from "@hono/node-server";
import { afterEach, describe, expect, test } from "vitest";
import { poissonArrivals, traceArrivals } from "../../../../adapters/node/load-test/arrivals.ts";
import { parseMix } from "../../../../adapters/node/load-test/behaviour.ts";
import { runLoad } from "../../../../adapters/node/load-test/run-load.ts";
import { describeSamples, toHistogram } from "../../../../adapters/node/load-test/samples.ts";
import { parseTrace } from "../../../../adapters/node/load-test/trace.ts";
import { shared } from "../../../fixtures/shared.ts";
import { createScriptedApp } from "../../../fixtures/scripted-app.ts";
import type { Script } from "../../../fixtures/scripted-engine.ts";

const AZURE = shared("data/load/AzureLLMInferenceTrace_conv.csv");
const MOONCAKE = shared("data/load/mooncake_synthetic_trace.jsonl");
let server: Server | undefined;

afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

async function listening(listener: Server): Promise<string> {
  server = listener;
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(listener.address() as AddressInfo).port}/v1`;
}

/** A server over a scripted engine, on a socket of its own. */
async function serveScript(script: Script) {
  const { app, engine } = createScriptedApp(script);
  const url = await listening(
    createAdaptorServer({ fetch: (request) => app.fetch(request) }) as Server,
  );
  return { url, engine };
}

const target = (url: string) => ({
  url,
  model: "m",
  api: "chat" as const,
  stream: true,
  headers: {},
  timeoutMs: 5000,
});
const every = (ms: number, count: number) =>
  Array.from({ length: count }, (_, i) => ({
    atMs: i * ms,
    promptTokens: 10,
    maxTokens: 20,
    behaviour: "polite" as const,
  }));

describe("poissonArrivals", () => {
  test("comes at the rate on average, with gaps as spread out as an exponential's", () => {
    const plan = { rate: 50, durationMs: 200_000, promptTokens: 5, maxTokens: 6 };
    const arrivals = poissonArrivals(plan, {}, 7);
    expect(arrivals.length / 200).toBeGreaterThan(48);
    expect(arrivals.length / 200).toBeLessThan(52);
    const gaps = arrivals.slice(1).map(({ atMs }, i) => atMs - arrivals[i]!.atMs);
    const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
    const variance = gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length;
    expect(Math.sqrt(variance) / mean).toBeGreaterThan(0.95);
    expect(Math.sqrt(variance) / mean).toBeLessThan(1.05);
    expect(poissonArrivals(plan, {}, 7)).toEqual(arrivals);
    expect(poissonArrivals(plan, {}, 8)).not.toEqual(arrivals);
  });

  test("has the shares of rude clients that the mix says", () => {
    const plan = { rate: 100, durationMs: 100_000, promptTokens: 5, maxTokens: 6 };
    const arrivals = poissonArrivals(plan, parseMix("slow=0.1, leave=0.2"), 1);
    const share = (name: string) =>
      arrivals.filter(({ behaviour }) => behaviour === name).length / arrivals.length;
    expect(share("slow")).toBeCloseTo(0.1, 1);
    expect(share("leave")).toBeCloseTo(0.2, 1);
    expect(share("polite")).toBeCloseTo(0.7, 1);
    expect(share("oversize")).toBe(0);
  });

  test.each(["slow", "slow=", "slow=2", "rude=0.1", "slow=0.6,leave=0.5", "slow=x"])(
    "parseMix refuses %s",
    (text) => expect(() => parseMix(text)).toThrow(RangeError),
  );
});

describe("parseTrace", () => {
  test("reads both forms in order of time", () => {
    const csv =
      "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,374,44\n2023-11-16 18:15:45.5,396,109\n";
    const [first, second] = parseTrace(csv);
    expect(first).toMatchObject({ promptTokens: 396, maxTokens: 109 });
    expect(second!.atMs - first!.atMs).toBeCloseTo(1180.59, 3);
    expect(
      parseTrace('{"timestamp": 40, "input_length": 7, "output_length": 3, "hash_ids": []}\n'),
    ).toEqual([{ atMs: 40, promptTokens: 7, maxTokens: 3 }]);
  });

  test.each(["a,b,c\n2023-11-16 18:15:46,1", "a,b,c\nyesterday,1,2", "{}", '{"timestamp":1}'])(
    "names the line of %j, which it cannot read",
    (text) => expect(() => parseTrace(text)).toThrow(/line [12] of the trace/),
  );

  test.skipIf(AZURE === undefined || MOONCAKE === undefined)(
    "reads the Azure and Mooncake traces (skips without them)",
    () => {
      const azure = parseTrace(readFileSync(AZURE!, "utf8"));
      expect(azure.length).toBeGreaterThan(10_000);
      const minute = traceArrivals(azure, { speed: 10, durationMs: 6000 }, {}, 1);
      const last = azure[0]!.atMs + 60_000;
      expect(minute).toHaveLength(azure.filter(({ atMs }) => atMs < last).length);
      expect(parseTrace(readFileSync(MOONCAKE!, "utf8")).length).toBeGreaterThan(1000);
    },
  );
});

describe("describeSamples and toHistogram", () => {
  test("percentiles are values that occurred, by nearest rank", () => {
    const values = Array.from({ length: 100 }, (_, i) => 100 - i);
    expect(describeSamples(values)).toEqual({
      count: 100,
      mean: 50.5,
      p50: 50,
      p90: 90,
      p95: 95,
      p99: 99,
      max: 100,
    });
    expect(describeSamples([]).p99).toBe(0);
    expect(describeSamples([3]).p50).toBe(3);
  });

  test("bins join one another and hold every value", () => {
    const values = [0, 0.5, 1, 3, 3.1, 500];
    const bins = toHistogram(values);
    for (const [i, bin] of bins.entries()) {
      if (i > 0) expect(bin.from).toBe(bins[i - 1]!.to);
      const inside = values.filter(
        (value) => Math.max(value, 0.1) >= bin.from && Math.max(value, 0.1) < bin.to,
      );
      expect(inside).toHaveLength(bin.count);
    }
    expect(bins.reduce((sum, { count }) => sum + count, 0)).toBe(values.length);
    expect(toHistogram([])).toEqual([]);
  });
});

/** Answers 50 ms after another answer. */
async function answerAfter(before: Promise<void>, response: ServerResponse): Promise<void> {
  await before;
  await sleep(50);
  response.setHeader("content-type", "text/event-stream");
  const event = { choices: [{ delta: { content: "x" }, finish_reason: "stop" }] };
  response.end(`data: ${JSON.stringify(event)}\n\ndata: [DONE]\n\n`);
}

describe("runLoad", () => {
  test("measures first token, tokens and whole answers of a server that keeps a known pace", async () => {
    const { url } = await serveScript({ reply: "abcdefghijk", pace: () => sleep(20) });
    const report = await runLoad({ target: target(url), arrivals: every(5, 20), seed: 1 });
    expect(report.fates).toEqual({ ok: 20 });
    const { firstToken, perToken, whole } = report.latency;
    expect(firstToken.p50).toBeGreaterThan(19);
    expect(perToken.p50).toBeGreaterThan(18);
    expect(perToken.p50).toBeLessThan(60);
    expect(whole.p50).toBeGreaterThan(firstToken.p50 + 9 * perToken.p50);
    expect(report.rates.answerTokens * report.seconds).toBeCloseTo(20 * 11);
    expect(report.histograms.whole.reduce((sum, { count }) => sum + count, 0)).toBe(20);
  });

  test("omits nothing: what waits behind a slow request is measured from when it was due", async () => {
    // One at a time, 50 ms each, asked for every 10 ms: the n-th waits 40 n ms.
    let free = Promise.resolve();
    const url = await listening(
      createServer((request, response) => {
        request.resume();
        free = answerAfter(free, response);
      }),
    );
    const report = await runLoad({ target: target(url), arrivals: every(10, 20), seed: 1 });
    expect(report.fates).toEqual({ ok: 20 });
    expect(report.latency.whole.max).toBeGreaterThan(20 * 50 - 20 * 10);
    expect(report.latency.whole.p50).toBeGreaterThan(350);
    expect(report.latency.lag.p50).toBeLessThan(20);
  });

  test("rude clients do what they are for, and free the server", async () => {
    const { url, engine } = await serveScript({ reply: "x".repeat(20), pace: () => sleep(5) });
    const rude = (["slow", "leave", "leave-early", "oversize"] as const).flatMap((behaviour) =>
      every(1, 3).map((arrival) => Object.assign(arrival, { behaviour })),
    );
    const report = await runLoad({
      target: target(url),
      arrivals: [...rude, ...every(1, 3)],
      seed: 1,
    });
    expect(report.behaviours).toMatchObject({ leave: { left: 3 }, polite: { ok: 3 } });
    expect(report.behaviours.oversize).toEqual({ refused: 3 });
    expect(report.errors).toEqual({ "413 request_too_large": 3 });
    expect(report.behaviours["leave-early"]?.left ?? 0).toBeGreaterThan(0);
    expect(report.latency.whole.count).toBe(3);
    await expect.poll(() => engine.busy()).toBe(0);
  });

  test("tells refusals, failures, cuts, losses and lateness apart", async () => {
    let count = 0;
    const url = await listening(
      createServer((request, response) => {
        request.resume();
        const kind = count++;
        if (kind === 0) {
          response.statusCode = 429;
          response.end('{"error":{"code":"queue_full"}}');
          return;
        }
        if (kind === 4) return;
        if (kind === 3) {
          response.destroy();
          return;
        }
        response.write('data: {"choices":[{"delta":{"content":"x"}}]}\n\n');
        if (kind === 1) response.end('data: {"error":{"code":"internal_error"}}\n\n');
        if (kind === 2) setTimeout(() => response.destroy(), 20);
      }),
    );
    const report = await runLoad({
      target: { ...target(url), timeoutMs: 500 },
      arrivals: every(60, 5),
      seed: 1,
    });
    expect(report.fates).toEqual({ refused: 1, failed: 1, cut: 1, lost: 1, late: 1 });
    expect(report.errors).toMatchObject({
      "429 queue_full": 1,
      "200 internal_error": 1,
      timeout: 1,
    });
    expect(report.latency.whole.count).toBe(0);
    expect(report.latency.refused.count).toBe(1);
  });
});
