import { createLru } from "./lru.ts";
import type { CacheStore } from "./store.ts";

interface Kept {
  readonly bytes: Uint8Array;
  readonly until: number;
}

/** What an entry takes beside its bytes and its key: two objects and a place in a map, roughly. */
const ENTRY_OVERHEAD = 200;

/**
 * A store in this process: the least recently read entries leave when there are more than `maxBytes`.
 *
 * @param now Milliseconds of any clock that does not go back.
 */
export function createMemoryStore(maxBytes: number, now: () => number): CacheStore {
  const entries = createLru<Kept>(maxBytes);
  return {
    name: "memory",
    async get(key) {
      const kept = entries.get(key);
      if (kept === undefined) return undefined;
      if (now() < kept.until) return kept.bytes;
      entries.delete(key);
      return undefined;
    },
    async put(key, bytes, ttlMs) {
      const size = bytes.byteLength + 2 * key.length + ENTRY_OVERHEAD;
      entries.set(key, { bytes, until: now() + ttlMs }, size);
    },
    async delete(key) {
      entries.delete(key);
    },
    async close() {
      entries.clear();
    },
  };
}
