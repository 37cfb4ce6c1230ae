import { createCacheApiStore } from "../../../adapters/portable/cache-api-store.ts";
import { createKvStore } from "../../../adapters/workerd/kv-store.ts";

/** A store of workerd's behind HTTP: `GET`, `PUT` (with `x-ttl`) and `DELETE /{store}/{key}`. */
export default {
  async fetch(request: Request, env: { ANSWERS: never }): Promise<Response> {
    const [, name, key] = new URL(request.url).pathname.split("/").map(decodeURIComponent);
    const { default: cache } = caches as unknown as { readonly default: Cache };
    const store = name === "kv" ? createKvStore(env.ANSWERS) : createCacheApiStore(cache);
    if (request.method === "PUT") {
      const bytes = new Uint8Array(await request.arrayBuffer());
      await store.put(key!, bytes, Number(request.headers.get("x-ttl")));
      return new Response(null, { status: 204 });
    }
    if (request.method === "DELETE") {
      await store.delete(key!);
      return new Response(null, { status: 204 });
    }
    const found = await store.get(key!);
    return found === undefined
      ? new Response(null, { status: 404 })
      : new Response(found as Uint8Array<ArrayBuffer>);
  },
};
