import { describe, expect, test } from "vitest";
import { createLru } from "../../../core/cache/lru.ts";
import { createMemoryStore } from "../../../core/cache/memory-store.ts";
import { cacheStoreConformance } from "../../conformance/cache-store.ts";

let time = 0;
cacheStoreConformance("in memory", {
  open: async () => createMemoryStore(8 * 1024 * 1024, () => time),
  pass: async (milliseconds) => void (time += milliseconds),
});

describe("the least recently used", () => {
  test("leaves first, and the bytes that are held are never more than allowed", () => {
    const lru = createLru<number>(100);
    lru.set("a", 1, 40);
    lru.set("b", 2, 40);
    expect(lru.get("a")).toBe(1);
    lru.set("c", 3, 40);
    expect([lru.get("a"), lru.get("b"), lru.get("c")]).toEqual([1, undefined, 3]);
    expect(lru.bytes).toBe(80);
    lru.set("a", 4, 90);
    expect([lru.get("a"), lru.get("c"), lru.bytes]).toEqual([4, undefined, 90]);
    lru.set("huge", 5, 101);
    expect([lru.get("huge"), lru.get("a")]).toEqual([undefined, 4]);
    // A value that outgrows everything takes its older self along.
    lru.set("a", 6, 101);
    expect([lru.get("a"), lru.bytes, lru.size]).toEqual([undefined, 0, 0]);
  });
});
