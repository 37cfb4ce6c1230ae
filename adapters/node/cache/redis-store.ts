import { RESP_TYPES, createClient } from "@redis/client";
import type { CacheStore } from "../../../core/cache/store.ts";

/** How to reach Redis or Valkey. */
export interface RedisStoreOptions {
  /** `redis://[user:password@]host[:port][/database]`, or `rediss://` with TLS. */
  readonly url: string;
  /** Before every key, so that others can use the same database. */
  readonly prefix?: string;
  /** Takes what goes wrong with the connection; every call fails meanwhile, and it is made anew. */
  readonly onError?: (error: unknown) => void;
}

/** A frozen server does not keep `connect` waiting longer than this. */
const CONNECT_MS = 1000;

/** Between attempts to connect: doubles from the first to the second, with a spread so that a restart is not a stampede. */
const FIRST_RETRY_MS = 50;
const LONGEST_RETRY_MS = 2000;

/** Commands that wait for an answer; beyond them calls fail at once. */
const MAX_QUEUED = 1000;

/**
 * A store on a Redis or Valkey server, shared by all processes that reach it. It connects in the
 * background: until it has, and whenever the server is gone, calls reject at once, which `guardStore` turns
 * into misses. Entries expire on the server; its `maxmemory-policy` should be `allkeys-lru`.
 */
export function openRedisStore({
  url,
  prefix = "sirocco:",
  onError,
}: RedisStoreOptions): CacheStore {
  const client = createClient({
    url,
    // A call made while there is no connection must fail now and not when there is one again.
    disableOfflineQueue: true,
    commandsQueueMaxLength: MAX_QUEUED,
    socket: {
      connectTimeout: CONNECT_MS,
      reconnectStrategy: (retries) =>
        Math.min(FIRST_RETRY_MS * 2 ** retries, LONGEST_RETRY_MS) * (0.5 + Math.random() / 2),
    },
  });
  client.on("error", (error) => onError?.(error));
  // It goes on trying by itself, and says what is wrong through "error".
  client.connect().catch(() => {});
  const binary = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });

  return {
    name: "redis",
    async get(key) {
      const bytes = await binary.get(prefix + key);
      return bytes === null ? undefined : new Uint8Array(bytes);
    },
    async put(key, bytes, ttlMs) {
      const value = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      await client.set(prefix + key, value, {
        expiration: { type: "PX", value: Math.ceil(ttlMs) },
      });
    },
    async delete(key) {
      await client.unlink(prefix + key);
    },
    async close() {
      client.destroy();
    },
  };
}
