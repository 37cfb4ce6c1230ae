import type { CacheStore } from "../../core/cache/store.ts";

/** Workers KV refuses to keep anything for less. */
const SHORTEST_TTL_SECONDS = 60;

/**
 * A store on Workers KV: everywhere, and up to a minute behind. It suits answers, which never change under
 * a key. What should live less than a minute is kept for one; readers look at an answer's own age.
 */
export function createKvStore(namespace: KVNamespace): CacheStore {
  return {
    name: "kv",
    async get(key) {
      const found = await namespace.get(key, "arrayBuffer");
      return found === null ? undefined : new Uint8Array(found);
    },
    async put(key, bytes, ttlMs) {
      const expirationTtl = Math.max(SHORTEST_TTL_SECONDS, Math.ceil(ttlMs / 1000));
      await namespace.put(key, bytes, { expirationTtl });
    },
    delete: (key) => namespace.delete(key),
    async close() {},
  };
}
