/**
 * Where entries are kept: bytes by key. Implemented in the process, on SQLite, Redis, the Cache API, and
 * whatever else holds bytes; `test/conformance/cache-store.ts` is what each must do. A store may lose
 * entries at any time and may return old ones: readers check what they get. It may throw anything.
 */
export interface CacheStore {
  /** For metrics and `Cache-Status`: `memory`, `sqlite`, `redis`, `cache-api`, … */
  readonly name: string;
  /** The bytes last put under `key`, unless their time is over; `undefined` where there are none. */
  get(key: string): Promise<Uint8Array | undefined>;
  /** Keep `bytes` for `ttlMs` > 0 milliseconds, instead of what was there. The caller leaves them as they are. */
  put(key: string, bytes: Uint8Array, ttlMs: number): Promise<void>;
  /** Forget `key`; no error where it is not there. */
  delete(key: string): Promise<void>;
  /** Let go of connections and files; the store must not be used afterwards. */
  close(): Promise<void>;
}
