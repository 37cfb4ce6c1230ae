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
  /** How long a mark is kept: as long as the oldest answer may be. */
  readonly keepMs: number;
  /** Milliseconds since 1970, at least the latest time at which anything here was stored. */
  readonly latest: () => number;
  /** Monotonic clock in milliseconds. */
  readonly now: () => number;
}

/** Another process hears of a purge within this time; asking the store at every hit would cost a round trip. */
const REFRESH_MS = 1000;

/** Tags whose marks are remembered; beyond them the store is asked again. */
const MAX_TAGS = 10_000;

interface Mark {
  /** Answers stored up to here are void; 0 for none. */
  readonly until: number;
  /** By the monotonic clock. */
  readonly lookedAt: number;
}

/**
 * Purging by tag in no time at all, on stores that can neither list nor tag: a purge is one mark, and what
 * is older than it counts as absent. A key by itself is simply deleted.
 */
export function createPurges(options: PurgeOptions): Purges {
  const { store, keepMs, latest, now } = options;
  const marks = new Map<string, Mark>();

  function remember(tag: string, until: number): void {
    marks.delete(tag);
    marks.set(tag, { until, lookedAt: now() });
    if (marks.size <= MAX_TAGS) return;
    // Without a shared store the marks here are all there are, and the oldest must not be lost to newer
    // ones; with one they can be asked for again.
    if (store !== undefined) marks.delete(marks.keys().next().value!);
  }

  /** Up to when answers with a tag are void, where that is known for the moment. */
  function knownUntil(tag: string): number | undefined {
    const mark = marks.get(tag);
    if (store === undefined) return mark?.until ?? 0;
    if (mark === undefined || now() - mark.lookedAt >= REFRESH_MS) return undefined;
    return mark.until;
  }

  async function askStore(tag: string): Promise<number> {
    const bytes = await store?.get(markKey(tag));
    const told = bytes === undefined ? 0 : Number(new TextDecoder().decode(bytes));
    const until = Math.max(Number.isSafeInteger(told) ? told : 0, marks.get(tag)?.until ?? 0);
    remember(tag, until);
    return until;
  }

  return {
    async purge(tag) {
      const at = latest();
      remember(tag, at);
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
