import type { CacheStore } from "../../core/cache/store.ts";

/**
 * A store on the Cache API, which workerd and Deno have: one data centre's, or one machine's. Keys become
 * addresses of a host that does not exist, since it keeps answers to GET requests only.
 *
 * @param cache `caches.default` in workerd, `await caches.open("sirocco")` elsewhere.
 */
export function createCacheApiStore(cache: Cache): CacheStore {
  return {
    name: "cache-api",
    async get(key) {
      const response = await cache.match(address(key));
      if (response === undefined) return undefined;
      const bytes = new Uint8Array(await response.arrayBuffer());
      // Not every implementation looks at max-age.
      return Date.now() < Number(response.headers.get("x-until")) ? bytes : undefined;
    },
    async put(key, bytes, ttlMs) {
      const headers = {
        "cache-control": `public, max-age=${Math.max(1, Math.ceil(ttlMs / 1000))}`,
        "content-type": "application/octet-stream",
        "x-until": String(Date.now() + ttlMs),
      };
      await cache.put(address(key), new Response(bytes as Uint8Array<ArrayBuffer>, { headers }));
    },
    async delete(key) {
      await cache.delete(address(key));
    },
    async close() {},
  };
}

function address(key: string): string {
  return `https://answers.sirocco.invalid/${encodeURIComponent(key)}`;
}
