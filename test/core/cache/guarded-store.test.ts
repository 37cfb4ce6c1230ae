import { describe, expect, test } from "vitest";
import { guardStore, type StoreEvent } from "../../../core/cache/guarded-store.ts";
import { createMemoryStore } from "../../../core/cache/memory-store.ts";
import type { CacheStore } from "../../../core/cache/store.ts";
import { cacheStoreConformance } from "../../conformance/cache-store.ts";

cacheStoreConformance("in memory, guarded", {
  open: async () =>
    guardStore(
      createMemoryStore(8e6, () => performance.now()),
      { now: () => performance.now() },
    ),
  pass: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
});

const bytes = new Uint8Array([1]);

/** A store that does what it is told to. */
function troubled() {
  const inner = createMemoryStore(1e6, () => 0);
  let calls = 0;
  let trouble: "none" | "error" | "hang" = "none";
  const act = async <T>(run: () => Promise<T>): Promise<T> => {
    calls++;
    if (trouble === "error") throw new Error("refused");
    if (trouble === "hang") return await new Promise<T>(() => {});
    return await run();
  };
  const store: CacheStore = {
    name: "troubled",
    get: (key) => act(() => inner.get(key)),
    put: (key, value, ttl) => act(() => inner.put(key, value, ttl)),
    delete: (key) => act(() => inner.delete(key)),
    close: () => inner.close(),
  };
  return {
    store,
    become: (to: typeof trouble) => (trouble = to),
    get calls() {
      return calls;
    },
  };
}

describe("guardStore", () => {
  test("a store that hangs costs its deadline, and after five failures nothing", async () => {
    const inner = troubled();
    const events: StoreEvent[] = [];
    const store = guardStore(inner.store, {
      now: () => performance.now(),
      deadlineMs: 20,
      onEvent: (_, event) => events.push(event),
    });
    await store.put("k", bytes, 1000);
    inner.become("hang");
    for (let i = 0; i < 5; i++) {
      const begun = performance.now();
      expect(await store.get("k")).toBeUndefined();
      expect(performance.now() - begun).toBeLessThan(1000);
    }
    expect(store.open).toBe(true);
    const asked = inner.calls;
    const begun = performance.now();
    for (let i = 0; i < 1000; i++) await store.get("k");
    expect(performance.now() - begun).toBeLessThan(1000);
    expect(inner.calls).toBe(asked);
    expect(events).toEqual([...Array<StoreEvent>(5).fill("timeout"), "opened"]);
  });

  test("one trial after each pause, and in use again as soon as one succeeds", async () => {
    let time = 0;
    const inner = troubled();
    const events: StoreEvent[] = [];
    const store = guardStore(inner.store, {
      now: () => time,
      pauseMs: 500,
      longestPauseMs: 4000,
      onEvent: (_, event) => events.push(event),
    });
    await store.put("k", bytes, 1000);
    inner.become("error");
    await Promise.all(Array.from({ length: 20 }, () => store.get("k")));
    expect(store.open).toBe(true);
    const trials: number[] = [];
    for (; time < 20_000; time += 100) {
      const before = inner.calls;
      await Promise.all([store.get("k"), store.get("k"), store.get("k")]);
      if (inner.calls > before) trials.push(time);
      expect(inner.calls - before).toBeLessThanOrEqual(1);
    }
    const pauses = trials.map((at, i) => at - (trials[i - 1] ?? 0));
    expect(pauses.slice(0, 5)).toEqual([500, 1000, 2000, 4000, 4000]);
    inner.become("none");
    const mended = time;
    while (store.open) {
      time += 100;
      await store.get("k");
    }
    expect(time - mended).toBeLessThanOrEqual(4100);
    expect(await store.get("k")).toEqual(bytes);
    expect(events.filter((event) => event === "opened")).toHaveLength(1);
    expect(events.at(-1)).toBe("closed");
  });
});
