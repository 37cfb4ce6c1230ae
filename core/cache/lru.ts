/** A map that holds so many bytes, and lets go of what was used longest ago. */
export interface Lru<V> {
  /** The value under `key`, which counts as used now. */
  get(key: string): V | undefined;
  /** Keep a value that takes `bytes`; one larger than the whole map is not kept. */
  set(key: string, value: V, bytes: number): void;
  delete(key: string): void;
  clear(): void;
  /** Bytes held, as their owners declared them. */
  readonly bytes: number;
  readonly size: number;
}

/** An empty map of at most `maxBytes`. Built on the order of insertion that `Map` keeps. */
export function createLru<V>(maxBytes: number): Lru<V> {
  const entries = new Map<string, { readonly value: V; readonly bytes: number }>();
  let held = 0;
  const remove = (key: string): void => {
    const entry = entries.get(key);
    if (entry === undefined) return;
    entries.delete(key);
    held -= entry.bytes;
  };
  return {
    get(key) {
      const entry = entries.get(key);
      if (entry === undefined) return undefined;
      entries.delete(key);
      entries.set(key, entry);
      return entry.value;
    },
    set(key, value, bytes) {
      remove(key);
      if (bytes > maxBytes) return;
      entries.set(key, { value, bytes });
      held += bytes;
      for (const oldest of entries.keys()) {
        if (held <= maxBytes) break;
        remove(oldest);
      }
    },
    delete: remove,
    clear() {
      entries.clear();
      held = 0;
    },
    get bytes() {
      return held;
    },
    get size() {
      return entries.size;
    },
  };
}
