import type { ChoiceEvent } from "../answer/several.ts";
import type { Head } from "../http/wire/format.ts";
import {
  decodeRecord,
  encodeRecord,
  MAX_RECORD_BYTES,
  type CachedAnswer,
  type CacheRecord,
} from "./entry.ts";
import { createLru } from "./lru.ts";
import { createPurges, type Purges } from "./purges.ts";
import { createRefusals, type Refusals } from "./refusals.ts";
import { checkSecret, createScope, type Scope } from "./scope.ts";
import { shareAnswer, type SharedAnswer, type SharedAnswerOptions } from "./shared-answer.ts";
import type { CacheStore } from "./store.ts";

/** A cache of answers. */
export interface AnswerCacheOptions {
  /** At least 16 random bytes, the same wherever the stores are shared. */
  readonly secret: Uint8Array;
  /** Raise it to forget everything. */
  readonly epoch: number;
  /** Behind the process's own memory, the nearest first, each guarded (`guardStore`). */
  readonly stores: readonly CacheStore[];
  /** Bytes of answers kept in this process. */
  readonly memoryBytes: number;
  /** Milliseconds for which an answer is fresh. */
  readonly freshMs: number;
  /** Milliseconds for which it is kept after that, for when computing fails. */
  readonly staleMs: number;
  /**
   * Whether requests share one computation; `true` unless given. Not where what a request waits for ends with
   * it, as what others send does in workerd.
   */
  readonly shares?: boolean;
  /** Milliseconds since 1970. It may jump, step back and stand still. */
  readonly wallClock: () => number;
  /** Monotonic clock in milliseconds; `performance.now` unless given. */
  readonly now?: () => number;
  /** From 0 to below 1; spreads times of expiry, so that what came together does not leave together. */
  readonly random: () => number;
}

/** An answer that was found. */
export interface Hit {
  /** The answer, checked. */
  readonly answer: CachedAnswer;
  /** Where: `memory`, or a store's name. */
  readonly from: string;
  /** A response made of it, by its kind: made once, then at hand while it is in memory. */
  rendered(kind: string, make: () => Rendered): Rendered;
}

/** What is sent of an answer. */
export interface Rendered {
  /** All of it. */
  readonly body: string;
  /** Those that do not change with time. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Who asks: the keys and the partition that they are in. */
export interface Asker {
  /** Whose answers. */
  readonly tenant: string;
  /** Makes the keys. */
  readonly scope: Scope;
}

/** Complete answers by key, and those that are being computed. */
export interface AnswerCache {
  /** The partition of a tenant. */
  asker(tenant: string, salt?: string): Asker;
  /** What this process holds under a key and knows to be valid, without waiting for anything. */
  atHand(asker: Asker, key: string): Hit | undefined;
  /** What came into this process's memory at `since` (milliseconds since 1970) or later. */
  keptSince(asker: Asker, key: string, since: number): Hit | undefined;
  /** What any tier holds under a key; a pointer is followed. */
  find(asker: Asker, key: string): Promise<Hit | undefined>;
  /** Keep an answer under `keys[0]`, and let the other keys lead to it. */
  keep(asker: Asker, keys: readonly string[], answer: NewAnswer): Promise<void>;
  /** Let another key lead to an answer that is kept. */
  point(asker: Asker, from: string, to: string): Promise<void>;
  /** Forget what is under a key, in every tier. */
  forget(key: string): Promise<void>;
  /** Join the computation under a key, or begin it. The result says which. */
  join(key: string, head: Head, computation: SharedAnswerOptions<ChoiceEvent>): Joined;
  /** What has been declared void. */
  readonly purges: Purges;
  /** Requests that cannot be answered, under the keys that their answers would have. */
  readonly refusals: Refusals;
  /** Milliseconds since an answer was complete. */
  ageOf(answer: CachedAnswer): number;
  /** Let go of the stores. */
  close(): Promise<void>;
}

/** An answer to keep. */
export interface NewAnswer extends Pick<CachedAnswer, "head" | "events" | "tags"> {
  /** When computing it began, in milliseconds since 1970: what was purged since then is not kept. */
  readonly begunAt: number;
}

/** Whether the computation was already under way. */
export interface Joined {
  /** The computation. */
  readonly shared: SharedAnswer<ChoiceEvent>;
  /** Of the answer: of whoever began it. */
  readonly head: Head;
  /** Whether somebody had begun it before. */
  readonly collapsed: boolean;
}

/** Partitions whose keys are remembered; one takes about a kilobyte. */
const MAX_SCOPES = 1000;

/** What an event takes in memory beside its text, roughly. */
const EVENT_OVERHEAD = 120;

/** Expiry is spread by this share. */
const JITTER = 0.1;

/** Machines that share a store agree about the time to so many milliseconds, or what they stored is not believed. */
const MAX_SKEW_MS = 60_000;

/** An empty cache over these stores. Throws `RangeError` for a secret below 16 bytes. */
export function createAnswerCache(options: AnswerCacheOptions): AnswerCache {
  checkSecret(options.secret);
  const { stores, now = () => performance.now() } = options;
  /** The latest time ever seen: what is purged stays so when the clock has stepped back. */
  let latest = -Infinity;
  /** How old answers in memory were when they came into it, and when that was. */
  const remembered = new WeakMap<CachedAnswer, { readonly ageMs: number; readonly at: number }>();
  const keepMs = options.freshMs + options.staleMs;
  const memory = createLru<Hit>(options.memoryBytes);
  const pointers = createLru<string>(Math.ceil(options.memoryBytes / 8));
  const askers = createLru<Asker>(MAX_SCOPES);
  const flights = new Map<string, Omit<Joined, "collapsed">>();
  const furthest = stores.at(-1);
  const purges = createPurges({
    latest: () => Math.max(wallClock(), latest),
    now,
    keepMs: keepMs + JITTER * options.freshMs,
    ...(furthest === undefined ? {} : { store: furthest }),
  });

  function peek(asker: Asker, key: string): Hit | undefined {
    const hit = memory.get(pointers.get(key) ?? key);
    if (hit === undefined) return undefined;
    const { tenant, freshMs } = hit.answer;
    if (tenant !== asker.tenant) return undefined;
    return ageOf(hit.answer) < freshMs + options.staleMs ? hit : undefined;
  }

  function wallClock(): number {
    const time = options.wallClock();
    latest = Math.max(latest, time);
    return time;
  }

  /** By the wall clock or, if that says less as it stepped back or stands still, by the time spent in memory. */
  function ageOf(answer: CachedAnswer): number {
    const kept = remembered.get(answer);
    const spent = kept === undefined ? 0 : kept.ageMs + now() - kept.at;
    return Math.max(0, spent, wallClock() - answer.storedAt);
  }

  /** Whether what a store has was stored at a time that can be. */
  function isCurrent({ storedAt }: CacheRecord): boolean {
    const ageMs = wallClock() - storedAt;
    return ageMs >= -MAX_SKEW_MS && ageMs < keepMs;
  }

  function remember(key: string, answer: CachedAnswer, from: string, bytes: number): Hit {
    remembered.set(answer, { ageMs: ageOf(answer), at: now() });
    const responses = new Map<string, Rendered>();
    let held = bytes + answer.events.length * EVENT_OVERHEAD;
    const hit: Hit = {
      answer,
      from: "memory",
      rendered(kind, make) {
        const known = responses.get(kind);
        if (known !== undefined) return known;
        const made = make();
        responses.set(kind, made);
        held += 2 * made.body.length;
        if (memory.get(key) === hit) memory.set(key, hit, held);
        return made;
      },
    };
    memory.set(key, hit, held);
    return from === hit.from ? hit : { ...hit, from };
  }

  async function read(
    asker: Asker,
    key: string,
  ): Promise<{ record: CacheRecord; bytes: Uint8Array; from: string } | undefined> {
    for (const [tier, store] of stores.entries()) {
      const bytes = await store.get(key);
      if (bytes === undefined) continue;
      const record = decodeRecord(bytes, asker.scope, { key, tenant: asker.tenant });
      if (record === undefined || !isCurrent(record)) {
        // Nobody can read it: not this version, or not intact; or it would live on for no one knows how long.
        await store.delete(key);
        continue;
      }
      const left = Math.min(record.storedAt + keepMs - wallClock(), keepMs);
      for (const nearer of stores.slice(0, tier)) await nearer.put(key, bytes, left);
      return { record, bytes, from: store.name };
    }
    return undefined;
  }

  async function write(asker: Asker, record: CacheRecord): Promise<number> {
    const bytes = encodeRecord(record, asker.scope);
    if (bytes.byteLength > MAX_RECORD_BYTES) return 0;
    await Promise.all(stores.map((store) => store.put(record.key, bytes, keepMs)));
    return bytes.byteLength;
  }

  async function point(asker: Asker, from: string, to: string): Promise<void> {
    pointers.set(from, to, 2 * (from.length + to.length));
    await write(asker, { key: from, tenant: asker.tenant, storedAt: wallClock(), see: to });
  }

  return {
    purges,
    refusals: createRefusals({
      purges,
      wallClock: () => Math.max(wallClock(), latest),
      now,
    }),
    point,
    atHand(asker, key) {
      const hit = peek(asker, key);
      if (hit === undefined) return undefined;
      const { tags, storedAt } = hit.answer;
      return purges.coversNow(tags, storedAt) === false ? hit : undefined;
    },
    asker(tenant, salt) {
      const name = JSON.stringify([tenant, salt ?? null]);
      const known = askers.get(name);
      if (known !== undefined) return known;
      const partition = { tenant, epoch: options.epoch, ...(salt === undefined ? {} : { salt }) };
      const made = { tenant, scope: createScope(options.secret, partition) };
      askers.set(name, made, 1);
      return made;
    },
    keptSince(asker, key, since) {
      const hit = peek(asker, key);
      return hit !== undefined && hit.answer.storedAt >= since ? hit : undefined;
    },
    async find(asker, key) {
      const hit = peek(asker, key);
      if (hit !== undefined) return (await isVoid(hit.answer)) ? undefined : hit;
      let found = await read(asker, key);
      if (found !== undefined && "see" in found.record) {
        const { see } = found.record;
        pointers.set(key, see, 2 * (key.length + see.length));
        found = await read(asker, see);
      }
      // A pointer leads to an answer and no further.
      if (found === undefined || "see" in found.record) return undefined;
      const { record, bytes, from } = found;
      if (await isVoid(record)) return undefined;
      return remember(record.key, record, from, bytes.byteLength);
    },
    async keep(asker, keys, answer) {
      const [key, ...others] = keys;
      if (key === undefined) return;
      const { begunAt, head, events, tags } = answer;
      if (purges.coversNow(tags, begunAt) === true) return;
      const spread = 1 + JITTER * (2 * options.random() - 1);
      const record: CachedAnswer = {
        key,
        tenant: asker.tenant,
        head,
        events,
        tags,
        storedAt: wallClock(),
        freshMs: Math.round(options.freshMs * spread),
      };
      // In memory at once: the next request may be here before the stores have it.
      remember(key, record, "memory", JSON.stringify(record).length);
      for (const other of others) pointers.set(other, key, 2 * (other.length + key.length));
      if (await purges.covers(tags, begunAt)) {
        memory.delete(key);
        return;
      }
      await write(asker, record);
      for (const other of others) await point(asker, other, key);
    },
    async forget(key) {
      memory.delete(key);
      pointers.delete(key);
      await Promise.all(stores.map((store) => store.delete(key)));
    },
    join(key, head, computation) {
      const running = options.shares === false ? undefined : flights.get(key);
      if (running !== undefined) return { ...running, collapsed: true };
      const shared = shareAnswer({
        ...computation,
        settled(events) {
          flights.delete(key);
          computation.settled(events);
        },
      });
      if (options.shares !== false) flights.set(key, { shared, head });
      return { shared, head, collapsed: false };
    },
    ageOf,
    async close() {
      memory.clear();
      await Promise.all(stores.map((store) => store.close()));
    },
  };

  function isVoid({ tags, storedAt }: CachedAnswer): Promise<boolean> {
    return purges.covers(tags, storedAt);
  }
}
