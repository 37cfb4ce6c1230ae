import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CacheStore } from "../../core/cache/store.ts";

/** What the suite needs to know of a store. */
export interface CacheStoreCase {
  open(): Promise<CacheStore>;
  /** Let milliseconds go by for the store: by a clock that can be set, or by waiting. Absent: it cannot be tested. */
  readonly pass?: (milliseconds: number) => Promise<void>;
}

const bytes = (text: string) => new TextEncoder().encode(text);
const DAY_MS = 86_400_000;

/** What every store of cached answers must do. */
export function cacheStoreConformance(name: string, given: CacheStoreCase): void {
  describe(`cache store ${name}`, () => {
    let store: CacheStore;
    beforeAll(async () => {
      store = await given.open();
    });
    afterAll(() => store.close());
    const read = async (key: string) => {
      const found = await store.get(key);
      return found === undefined ? undefined : new TextDecoder().decode(found);
    };

    test("gives back what was put, to the byte", async () => {
      const all = Uint8Array.from({ length: 1024 }, (_, i) => i & 255);
      await store.put("m1.bytes", all, DAY_MS);
      expect(await store.get("m1.bytes")).toEqual(all);
      await store.put("m1.empty", new Uint8Array(0), DAY_MS);
      expect((await store.get("m1.empty"))?.byteLength ?? 0).toBe(0);
    });

    test("has nothing under a key that nobody put", async () => {
      expect(await store.get("m1.absent")).toBeUndefined();
      await store.delete("m1.absent");
    });

    test("replaces and deletes", async () => {
      await store.put("m1.one", bytes("first"), DAY_MS);
      await store.put("m1.one", bytes("second"), DAY_MS);
      expect(await read("m1.one")).toBe("second");
      await store.delete("m1.one");
      expect(await store.get("m1.one")).toBeUndefined();
    });

    test("tells keys apart that differ in case or in one character", async () => {
      const keys = ["m1.aB-_", "m1.ab-_", "m1.aB_-", "t1.aB-_", "p1.model%3Aa%2Fb"];
      for (const key of keys) await store.put(key, bytes(key), DAY_MS);
      for (const key of keys) expect(await read(key)).toBe(key);
    });

    test("takes a megabyte", async () => {
      const large = new Uint8Array(1024 * 1024).fill(7);
      await store.put("m1.large", large, DAY_MS);
      expect((await store.get("m1.large"))?.byteLength).toBe(large.byteLength);
    });

    test.skipIf(given.pass === undefined)(
      "has nothing any more when an entry's time is over",
      async () => {
        await store.put("m1.short", bytes("short"), 300);
        await store.put("m1.long", bytes("long"), DAY_MS);
        expect(await read("m1.short")).toBe("short");
        await given.pass?.(350);
        expect(await store.get("m1.short")).toBeUndefined();
        expect(await read("m1.long")).toBe("long");
      },
    );

    test("answers many at once", async () => {
      const keys = Array.from({ length: 50 }, (_, i) => `m1.many-${i}`);
      await Promise.all(keys.map((key) => store.put(key, bytes(key), DAY_MS)));
      expect(await Promise.all(keys.map(read))).toEqual(keys);
    });
  });
}
