import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { Miniflare } from "miniflare";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openRedisStore } from "../../../adapters/node/cache/redis-store.ts";
import { openSqliteStore } from "../../../adapters/node/cache/sqlite-store.ts";
import {
  guardStore,
  type GuardedStore,
  type StoreEvent,
} from "../../../core/cache/guarded-store.ts";
import type { CacheStore } from "../../../core/cache/store.ts";
import { cacheStoreConformance } from "../../conformance/cache-store.ts";
import { startFaultProxy, type FaultProxy } from "../../fixtures/fault-proxy.ts";
import { hasRedis, startRedis, type RedisServer } from "./redis-server.ts";

const wait = (milliseconds: number) =>
  new Promise<void>((resolve) => setTimeout(resolve, milliseconds));
const bytes = (size: number) => new Uint8Array(size).fill(1);

describe("SQLite", () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "sirocco-cache-"));
  });
  afterAll(() => rm(directory, { recursive: true }));

  cacheStoreConformance("in an SQLite file", {
    open: () => openSqliteStore({ path: join(directory, "a.db"), maxBytes: 8e6 }),
    pass: wait,
  });

  test("holds no more than it may: those leave whose time is over first", async () => {
    const store = await openSqliteStore({ path: join(directory, "b.db"), maxBytes: 10_000 });
    for (let i = 0; i < 30; i++) await store.put(`k${i}`, bytes(1000), 60_000 + i);
    const kept: string[] = [];
    for (let i = 0; i < 30; i++) if ((await store.get(`k${i}`)) !== undefined) kept.push(`k${i}`);
    expect(kept.length).toBeGreaterThanOrEqual(8);
    expect(kept.length).toBeLessThanOrEqual(10);
    expect(kept.at(-1)).toBe("k29");
    await store.put("huge", bytes(10_001), 60_000);
    expect(await store.get("huge")).toBeUndefined();
    await store.close();
  });

  test("two processes' stores in one file see each other's entries, and a new one finds them", async () => {
    const path = join(directory, "c.db");
    const [one, two] = [
      await openSqliteStore({ path, maxBytes: 1e6 }),
      await openSqliteStore({ path, maxBytes: 1e6 }),
    ];
    await one.put("k", bytes(3), 60_000);
    expect(await two.get("k")).toEqual(bytes(3));
    await one.close();
    await two.close();
    const later = await openSqliteStore({ path, maxBytes: 1e6 });
    expect(await later.get("k")).toEqual(bytes(3));
    await later.close();
  });

  test("says what it cannot open", async () => {
    const opening = openSqliteStore({ path: join(directory, "none", "x.db"), maxBytes: 1 });
    await expect(opening).rejects.toMatchObject({ code: "INSUFFICIENT_RESOURCES" });
  });
});

describe("workerd", () => {
  let miniflare: Miniflare;
  beforeAll(async () => {
    const built = await build({
      entryPoints: [fileURLToPath(new URL("store-worker.ts", import.meta.url))],
      bundle: true,
      format: "esm",
      write: false,
    });
    miniflare = new Miniflare({
      modules: true,
      script: built.outputFiles[0]!.text,
      kvNamespaces: ["ANSWERS"],
      compatibilityDate: "2026-01-01",
      cf: false,
    });
  });
  afterAll(() => miniflare.dispose());

  /** The store inside of workerd, asked from here. */
  function remote(name: "cache" | "kv"): CacheStore {
    const ask = (method: string, key: string, more: object = {}) =>
      miniflare.dispatchFetch(`http://store/${name}/${encodeURIComponent(key)}`, {
        method,
        ...more,
      });
    return {
      name,
      async get(key) {
        const response = await ask("GET", key);
        return response.ok ? new Uint8Array(await response.arrayBuffer()) : undefined;
      },
      async put(key, body, ttlMs) {
        const response = await ask("PUT", key, { body, headers: { "x-ttl": String(ttlMs) } });
        expect(response.status).toBe(204);
      },
      async delete(key) {
        expect((await ask("DELETE", key)).status).toBe(204);
      },
      async close() {},
    };
  }

  cacheStoreConformance("on workerd's Cache API", {
    open: async () => remote("cache"),
    pass: wait,
  });
  // It keeps nothing for less than a minute, so that its end cannot be waited for.
  cacheStoreConformance("on Workers KV", { open: async () => remote("kv") });
});

describe.skipIf(!hasRedis())("Redis", () => {
  let server: RedisServer;
  let proxy: FaultProxy;
  beforeAll(async () => {
    server = await startRedis();
    proxy = await startFaultProxy(server.port);
  });
  afterAll(async () => {
    await proxy.close();
    await server.close();
  });

  cacheStoreConformance("on a Redis server", {
    async open() {
      const store = openRedisStore({ url: server.url, prefix: "test:" });
      await connected(store);
      return store;
    },
    pass: wait,
  });

  /** What a fault costs those who ask meanwhile, and how long after it the store is in use again. */
  async function suffer(begin: () => unknown, end: () => unknown, url: () => string) {
    const events: StoreEvent[] = [];
    const store: GuardedStore = guardStore(openRedisStore({ url: url() }), {
      now: () => performance.now(),
      onEvent: (_, event) => events.push(event),
    });
    await connected(store);
    await store.put("k", bytes(10), 60_000);
    expect(await store.get("k")).toEqual(bytes(10));
    events.length = 0;
    await begin();
    const costs: number[] = [];
    for (let i = 0; i < 40; i++) {
      const begun = performance.now();
      const found = await store.get("k");
      costs.push(performance.now() - begun);
      if (found !== undefined) expect(found).toEqual(bytes(10));
      await wait(5);
    }
    const opened = events.filter((event) => event === "opened").length;
    const failures = events.indexOf("opened");
    await end();
    const mended = performance.now();
    while ((await store.get("k")) === undefined) {
      // After a restart it is empty: what counts is that it can be written and read.
      await store.put("k", bytes(10), 60_000);
      await wait(20);
      if (performance.now() - mended > 20_000) throw new Error("the store is not in use again");
    }
    const recoveredMs = performance.now() - mended;
    await store.close();
    return { costs: costs.toSorted((a, b) => a - b), opened, failures, recoveredMs };
  }

  const faults: readonly (readonly [string, () => unknown, () => unknown, () => string])[] = [
    ["killed and restarted", () => server.kill(), () => server.start(), () => server.url],
    ["frozen", () => server.freeze(), () => server.thaw(), () => server.url],
    [
      "black-holed",
      () => proxy.blackHole(true),
      () => (proxy.blackHole(false), proxy.reset()),
      () => `redis://${proxy.host}`,
    ],
    ["slow", () => proxy.delay(1000), () => proxy.delay(0), () => `redis://${proxy.host}`],
  ];
  test.each(faults)(
    "%s: the breaker opens within 5 failures, then nothing waits, and within 5 s it is used again",
    async (_, begin, end, url) => {
      const { costs, opened, failures, recoveredMs } = await suffer(begin, end, url);
      expect(opened).toBe(1);
      expect(failures).toBeLessThanOrEqual(5);
      // Five deadlines of 100 ms at the most; everyone else passed by.
      expect(costs.filter((cost) => cost > 50).length).toBeLessThanOrEqual(6);
      expect(costs.at(-1)!).toBeLessThan(400);
      expect(recoveredMs).toBeLessThan(5000);
    },
  );

  test("connections that are reset are made anew, and nothing wrong is read meanwhile", async () => {
    const store = guardStore(openRedisStore({ url: `redis://${proxy.host}` }), {
      now: () => performance.now(),
    });
    await connected(store);
    await store.put("r", bytes(5), 60_000);
    for (let i = 0; i < 5; i++) {
      proxy.reset();
      for (let j = 0; j < 5; j++) {
        const found = await store.get("r");
        if (found !== undefined) expect(found).toEqual(bytes(5));
        await wait(10);
      }
    }
    const begun = performance.now();
    while ((await store.get("r")) === undefined) await wait(20);
    expect(performance.now() - begun).toBeLessThan(5000);
    await store.close();
  });

  test("a server that is not there costs nothing", async () => {
    const store = guardStore(openRedisStore({ url: "redis://127.0.0.1:1" }), {
      now: () => performance.now(),
    });
    const begun = performance.now();
    for (let i = 0; i < 100; i++) expect(await store.get("k")).toBeUndefined();
    expect(performance.now() - begun).toBeLessThan(1000);
    await store.close();
  });
});

/** Until the first call succeeds: it connects in the background. */
async function connected(store: {
  get(key: string): Promise<unknown>;
  put(key: string, value: Uint8Array, ttl: number): Promise<void>;
}) {
  for (let i = 0; i < 200; i++) {
    try {
      await store.put("here", bytes(1), 60_000);
      if ((await store.get("here")) !== undefined) return;
    } catch {
      // Not yet.
    }
    await wait(20);
  }
  throw new Error("the store does not connect");
}
