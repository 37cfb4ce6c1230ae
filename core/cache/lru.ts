/** A map that holds so many bytes, and lets go of what was not used for long. */
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

interface Entry<V> {
  readonly value: V;
  readonly bytes: number;
  /** Whether it was used since it last was the next to leave. */
  used: boolean;
}

/**
 * An empty map of at most `maxBytes`. What was used since its turn to leave came last gets another round (the
 * clock algorithm, Corbato 1968): to use an entry is to set a mark, where keeping an exact order would take
 * it out of the map and put it in again.
 */
export function createLru<V>(maxBytes: number): Lru<V> {
  // In the order of insertion, which is that of leaving.
  const entries = new Map<string, Entry<V>>();
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
      entry.used = true;
      return entry.value;
    },
    set(key, value, bytes) {
      remove(key);
      if (bytes > maxBytes) return;
      entries.set(key, { value, bytes, used: false });
      held += bytes;
      // What is put back comes last in the same walk, unmarked, so that it ends.
      for (const [next, entry] of entries) {
        if (held <= maxBytes) break;
        if (next === key) continue;
        if (entry.used) {
          entry.used = false;
          entries.delete(next);
          entries.set(next, entry);
        } else remove(next);
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
