import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Miniflare, type MiniflareOptions } from "miniflare";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hashKey } from "../../core/http/edge/key-hash.ts";
import { hasRedis, startRedis, type RedisServer } from "../adapters/cache/redis-server.ts";
import { startServer, type ServerProcess } from "../fixtures/cli.ts";
import { bundle } from "../runtimes/bundle.ts";

/** The example `edge-cache` in workerd, in front of two servers of the built command and a Redis. */

const KEY = "sk-edge";
const MODEL = "sirocco-demo.q8_0";

const contentOf = async (response: Response): Promise<string> =>
  ((await response.json()) as { choices: { message: { content: string } }[] }).choices[0]!.message
    .content;

const streamed = async (response: Response): Promise<string> =>
  [...(await response.text()).matchAll(/^data: (\{.*)$/gm)]
    .map(
      ([, json]) =>
        (JSON.parse(json!) as { choices: { delta: { content?: string } }[] }).choices[0]?.delta
          .content ?? "",
    )
    .join("");

async function running(node: ServerProcess): Promise<number> {
  const headers = { authorization: `Bearer ${KEY}` };
  const text = await (await fetch(`${node.url}/metrics`, { headers })).text();
  return Number(/^vllm:num_requests_running\{[^}]*\} (\d+)$/m.exec(text)?.[1] ?? NaN);
}

describe.skipIf(!hasRedis())("an edge without a model in front of a pool", () => {
  let folder: string;
  let redis: RedisServer;
  let nodes: ServerProcess[];
  let worker: Miniflare;
  let url: URL;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "sirocco-edge-cache-"));
    redis = await startRedis();
    const hash = await hashKey(KEY);
    const config = join(folder, "config.json");
    await writeFile(
      config,
      JSON.stringify({
        threads: 1,
        cache: [redis.url],
        keys: [{ id: "edge", hash, scopes: ["inference", "relay", "metrics"] }],
      }),
    );
    process.env["SIROCCO_CACHE_SECRET"] = "a secret of these machines";
    nodes = await Promise.all([1, 2].map(() => startServer(["--config", config])));
    worker = new Miniflare(await freshWorker());
    url = await worker.ready;
  }, 120_000);

  afterAll(async () => {
    delete process.env["SIROCCO_CACHE_SECRET"];
    await worker?.dispose();
    for (const node of nodes ?? []) await node.stop();
    await redis?.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** An isolate is new where its worker is: then it has the same stores and another memory. */
  async function freshWorker(): Promise<MiniflareOptions> {
    const script = readFileSync(await bundle("examples/edge-cache/worker.js", "worker"), "utf8");
    return {
      modules: [
        { type: "ESModule", path: "worker.js", contents: `${script}\n// ${Math.random()}` },
      ],
      compatibilityDate: "2026-07-01",
      compatibilityFlags: ["enable_request_signal"],
      kvNamespaces: ["ANSWERS"],
      durableObjects: { FLIGHTS: { className: "Flights", useSQLite: true } },
      bindings: {
        POOL: nodes.map((node) => node.url).join(","),
        POOL_KEY: KEY,
        CACHE_SECRET: "a secret of the edge",
      },
      cf: false,
    };
  }

  const ask = (content: string, more: object = {}): Promise<Response> =>
    fetch(new URL("/v1/chat/completions", url), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        model: MODEL,
        messages: [{ role: "user", content }],
        temperature: 0,
        max_tokens: 48,
        ...more,
      }),
    });
  /** Answers that the machines have computed. */
  async function computed(): Promise<number> {
    const counts = await Promise.all(
      nodes.map(async (node) => {
        const headers = { authorization: `Bearer ${KEY}` };
        const text = await (await fetch(`${node.url}/metrics`, { headers })).text();
        return (
          Number(/^vllm:request_success_total\{[^}]*length"\} (\d+)$/m.exec(text)?.[1] ?? 0) +
          Number(/^vllm:request_success_total\{[^}]*stop"\} (\d+)$/m.exec(text)?.[1] ?? 0)
        );
      }),
    );
    return counts.reduce((sum, count) => sum + count, 0);
  }

  test("lists the pool's models and is ready", async () => {
    const { data } = (await (await fetch(new URL("/v1/models", url))).json()) as {
      data: { id: string }[];
    };
    expect(data.map(({ id }) => id)).toEqual([MODEL]);
    expect((await fetch(new URL("/readyz", url))).status).toBe(200);
  });

  test("answers by the pool, then from the isolate, the data centre and everywhere", async () => {
    const first = await ask("What is a KV cache?");
    expect(first.headers.get("x-sirocco-served-by")).toMatch(
      /^pool;(node="vm-[12]";)?why=no-model$/,
    );
    const text = await contentOf(first);
    const before = await computed();
    expect(before).toBe(1);
    await sleep(300);
    const hit = await ask("What is a KV cache?", { stream: true });
    expect(hit.headers.get("cache-status")).toMatch(/^sirocco; hit; ttl=\d+; detail=memory$/);
    expect(await streamed(hit)).toBe(text);
    // Another isolate has another memory, and the same stores.
    const kv = await worker.getKVNamespace("ANSWERS");
    expect((await kv.list()).keys.length).toBeGreaterThan(0);
    await worker.setOptions(await freshWorker());
    url = await worker.ready;
    const cold = await ask("What is a KV cache?");
    expect(cold.headers.get("cache-status")).toMatch(/hit; ttl=\d+; detail=(cache-api|kv)$/);
    expect(await contentOf(cold)).toBe(text);
    expect(await computed()).toBe(before);
  });

  test("a hundred equal requests at once are one computation", async () => {
    const before = await computed();
    const all = await Promise.all(
      Array.from({ length: 100 }, async (_, i) =>
        i % 2 === 0
          ? contentOf(await ask("What is a canary rollout?"))
          : streamed(await ask("What is a canary rollout?", { stream: true })),
      ),
    );
    expect(new Set(all).size).toBe(1);
    // A machine so busy that it seems lost, or late, makes the pool ask another: those are told.
    const text = await (await fetch(new URL("/metrics", url))).text();
    const events = [...text.matchAll(/^sirocco_pool_events_total\{[^}]*\} (\d+)$/gm)];
    const others = events.reduce((sum, [, count]) => sum + Number(count), 0);
    const computations = (await computed()) - before;
    expect(computations).toBeGreaterThanOrEqual(1);
    expect(computations).toBeLessThanOrEqual(1 + others);
  });

  test("streams piece by piece, and a client that leaves frees the machine", async () => {
    const leaving = new AbortController();
    const response = await fetch(new URL("/v1/completions", url), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        model: MODEL,
        prompt: "A clock is",
        max_tokens: 1900,
        logit_bias: { 2: -100 },
        stream: true,
      }),
      signal: leaving.signal,
    });
    const reader = response.body!.getReader();
    for (let i = 0; i < 3; i++) expect((await reader.read()).done).toBe(false);
    leaving.abort();
    await reader.closed.catch(() => {});
    await expect
      .poll(async () => Promise.all(nodes.map(running)), { timeout: 5000 })
      .toEqual([0, 0]);
  });

  test("a machine that is killed in the middle is replaced by the other", async () => {
    const alone = await contentOf(await ask("Tell me a story", { max_tokens: 400, seed: 1 }));
    const response = await ask("Tell me a story", {
      max_tokens: 400,
      seed: 1,
      stream: true,
      user: "again",
      temperature: 0,
      stop: ["never said"],
    });
    const busy = await Promise.all(nodes.map(running));
    expect(busy.filter((count) => count === 1)).toHaveLength(1);
    await nodes[busy.indexOf(1)]!.stop();
    expect(await streamed(response)).toBe(alone);
    expect((await fetch(new URL("/readyz", url))).status).toBe(200);
  });
});
