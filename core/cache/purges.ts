import type { CacheStore } from "./store.ts";

/** What has been declared void, by tag. */
export interface Purges {
  /** From now on every answer with this tag that was stored up to now is void. */
  purge(tag: string): Promise<void>;
  /** Whether an answer stored at `storedAt` (milliseconds since 1970) with these tags is void. */
  covers(tags: readonly string[], storedAt: number): Promise<boolean>;
  /** The same as far as it can be told without asking the store; `undefined` where the store has to be asked. */
  coversNow(tags: readonly string[], storedAt: number): boolean | undefined;
}

/** Options of {@linkcode createPurges}. */
export interface PurgeOptions {
  /** Where processes tell one another; the store that they share. */
  readonly store?: CacheStore;
  /** Milliseconds for which a mark is kept: as long as the oldest answer may be. */
  readonly keepMs: number;
  /** Milliseconds since 1970, at least the latest time at which anything here was stored. */
  readonly latest: () => number;
  /** Monotonic clock in milliseconds. */
  readonly now: () => number;
}

/** Another process hears of a purge within this time; asking the store at every hit would cost a round trip. */
const REFRESH_MS = 1000;

/** Tags of which is remembered what the store said; beyond them it is asked again. A mark takes about 200 bytes. */
const MAX_TAGS = 10_000;

/** Tags that were purged here and whose marks are kept one by one; beyond them the oldest become one for all tags. */
const MAX_OWN_TAGS = 10_000;

interface Mark {
  /** Answers stored up to here are void; 0 for none. */
  readonly until: number;
  /** When it was made, or the store was asked, by the monotonic clock. */
  readonly at: number;
}

/**
 * Purging by tag in no time at all, on stores that can neither list nor tag: a purge is one mark, and what
 * is older than it counts as absent. A key by itself is simply deleted. Marks take bounded memory.
 */
export function createPurges(options: PurgeOptions): Purges {
  const { store, keepMs, latest, now } = options;
  // The oldest first: each is put last when it is set.
  const own = new Map<string, Mark>();
  const told = new Map<string, Mark>();
  /** Answers stored up to here are void, whatever their tags: the marks that there was no room for. */
  let floor = 0;

  /** A purge of this process must hold even where no store heard of it. */
  function mark(tag: string, until: number): void {
    own.delete(tag);
    own.set(tag, { until, at: now() });
    for (const [oldest, { until: voidUntil, at }] of own) {
      const isOver = now() - at > keepMs;
      if (!isOver && own.size <= MAX_OWN_TAGS) break;
      own.delete(oldest);
      // Whoever purges so much loses some more; what was purged never comes back.
      if (!isOver) floor = Math.max(floor, voidUntil);
    }
  }

  function hear(tag: string, until: number): void {
    told.delete(tag);
    told.set(tag, { until, at: now() });
    if (told.size > MAX_TAGS) told.delete(told.keys().next().value!);
  }

  /** Up to when answers with a tag are void, where that is known for the moment. */
  function knownUntil(tag: string): number | undefined {
    const here = Math.max(own.get(tag)?.until ?? 0, floor);
    if (store === undefined) return here;
    const heard = told.get(tag);
    if (heard === undefined || now() - heard.at >= REFRESH_MS) return undefined;
    return Math.max(here, heard.until);
  }

  async function askStore(tag: string): Promise<number> {
    const bytes = await store?.get(markKey(tag));
    const said = bytes === undefined ? 0 : Number(new TextDecoder().decode(bytes));
    hear(tag, Math.max(Number.isSafeInteger(said) ? said : 0, told.get(tag)?.until ?? 0));
    return Math.max(told.get(tag)!.until, own.get(tag)?.until ?? 0, floor);
  }

  return {
    async purge(tag) {
      const at = latest();
      mark(tag, at);
      await store?.put(markKey(tag), new TextEncoder().encode(String(at)), keepMs);
    },
    async covers(tags, storedAt) {
      for (const tag of tags) {
        if ((knownUntil(tag) ?? (await askStore(tag))) >= storedAt) return true;
      }
      return false;
    },
    coversNow(tags, storedAt) {
      let known = true;
      for (const tag of tags) {
        const until = knownUntil(tag);
        if (until === undefined) known = false;
        else if (until >= storedAt) return true;
      }
      return known ? false : undefined;
    },
  };
}

/** Marks stand beside the answers; no answer's key begins so. */
function markKey(tag: string): string {
  return `p1.${encodeURIComponent(tag)}`;
}
