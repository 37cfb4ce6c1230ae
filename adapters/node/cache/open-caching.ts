import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { createAnswerCache } from "../../../core/cache/answers.ts";
import { guardStore, type StoreEvent } from "../../../core/cache/guarded-store.ts";
import type { CacheStore } from "../../../core/cache/store.ts";
import { RuntimeError } from "../../../core/errors.ts";
import type { AnswerCaching, LogRecord, ServedModel } from "../../../core/http/deps.ts";

import type { OpenSemantic } from "./open-semantic.ts";
import type * as RedisModule from "./redis-store.ts";

/** How to keep answers. */
export interface CachingOptions {
  /**
   * Stores behind the process's own memory, the nearest first: `memory` (none), `sqlite:FILE`, or the
   * address of a Redis server (`redis://`, `rediss://`).
   */
  readonly stores: readonly string[];
  /** Bytes of answers in this process's memory. */
  readonly memoryBytes?: number;
  /** Bytes of answers in an SQLite file. */
  readonly fileBytes?: number;
  /** Seconds for which an answer is fresh. */
  readonly ttlSeconds?: number;
  /** Compute one in so many answers from the cache again, and compare. */
  readonly verifyOneIn?: number;
  /**
   * At least 16 bytes that only those processes know that share a store. Without it, answers in memory have
   * one that nobody knows, and a file has one beside it.
   */
  readonly secret?: string;
  /** Answer questions that were asked before in other words; none are unless given. */
  readonly semantic?: SemanticCaching;
  /** Hears of stores that fail and come back. */
  readonly log?: (record: LogRecord) => void;
}

/** How to answer questions that were asked before in other words. */
export interface SemanticCaching {
  /** Which model tells how near two questions are: `self`, the one that is served, or one named as `model` is. */
  readonly model: string;
  /** Paths of requests that are answered so; `/v1/chat/completions` unless given. */
  readonly paths?: readonly string[];
}

/** A cache that is in use. */
export interface OpenCaching extends AnswerCaching {
  /** Finish what is being written, and let go of the stores. */
  close(): Promise<void>;
}

const MIB = 1024 * 1024;
const MEMORY_BYTES = 64 * MIB;
const FILE_BYTES = 1024 * MIB;
/** An answer never becomes wrong, its key says all it depends on; a day bounds what a store holds. */
const TTL_SECONDS = 24 * 60 * 60;
/** RFC 5861's windows: given while it is computed again, and where computing fails. */
const STALE = { whileRevalidateMs: 60_000, ifErrorMs: 300_000 };
/** One in a thousand costs a thousandth of what the cache saves. */
const VERIFY_ONE_IN = 1000;

/**
 * Open the stores, and begin to prove the semantic cache where there is to be one.
 *
 * @param models Those that are served, of which the first one is `self`.
 *
 * Rejects with `INVALID_REQUEST` for what names none, `INSUFFICIENT_RESOURCES` for one that cannot be opened.
 */
export async function openCaching(
  options: CachingOptions,
  models: () => readonly ServedModel[] = () => [],
): Promise<OpenCaching> {
  const stores: CacheStore[] = [];
  for (const name of options.stores) {
    const store = await openStore(name, options);
    if (store !== undefined) stores.push(guard(store, options.log));
  }
  const answers = createAnswerCache({
    secret: await secretOf(options),
    epoch: 1,
    stores,
    memoryBytes: options.memoryBytes ?? MEMORY_BYTES,
    freshMs: (options.ttlSeconds ?? TTL_SECONDS) * 1000,
    staleMs: STALE.ifErrorMs,
    wallClock: Date.now,
    random: Math.random,
  });
  const semantic = await openMeaning(options, models);
  const work = new Set<Promise<void>>();
  return {
    answers,
    ...(semantic === undefined ? {} : { semantic: semantic.answers }),
    stale: STALE,
    verifyOneIn: options.verifyOneIn ?? VERIFY_ONE_IN,
    wallClock: Date.now,
    background(promise) {
      const done: Promise<void> = finish(promise).finally(() => work.delete(done));
      work.add(done);
    },
    async close() {
      await semantic?.close();
      await Promise.all(work);
      await answers.close();
    },
  };
}

async function openMeaning(
  { semantic, log = () => {} }: CachingOptions,
  models: () => readonly ServedModel[],
): Promise<OpenSemantic | undefined> {
  if (semantic === undefined) return undefined;
  // Servers without it do not load the suite.
  const { openSemantic } = await import("./open-semantic.ts");
  return openSemantic(semantic, { models, log });
}

async function finish(promise: Promise<unknown>): Promise<void> {
  try {
    await promise;
  } catch {
    // An answer that is not kept, or not verified as the model goes away, is nobody's loss.
  }
}

async function openStore(name: string, options: CachingOptions): Promise<CacheStore | undefined> {
  if (name === "memory") return undefined;
  if (name.startsWith("sqlite:")) {
    const { openSqliteStore } = await import("./sqlite-store.ts");
    return await openSqliteStore({
      path: name.slice("sqlite:".length),
      maxBytes: options.fileBytes ?? FILE_BYTES,
    });
  }
  if (/^rediss?:\/\//.test(name)) {
    const { openRedisStore } = await importRedis();
    return openRedisStore({ url: name });
  }
  throw new RuntimeError(
    "INVALID_REQUEST",
    `Cannot keep answers in ${JSON.stringify(name.slice(0, 100))}: say memory, sqlite:FILE or redis://HOST`,
  );
}

async function importRedis(): Promise<typeof RedisModule> {
  try {
    return await import("./redis-store.ts");
  } catch (cause) {
    throw new RuntimeError(
      "INSUFFICIENT_RESOURCES",
      "Cannot keep answers in Redis: its client is not installed; run npm install @redis/client",
      { cause },
    );
  }
}

function guard(store: CacheStore, log: CachingOptions["log"]): CacheStore {
  // Only changes are logged: a store that is away must not fill the log.
  const onEvent = (name: string, event: StoreEvent): void => {
    if (event === "opened") log?.({ level: "error", event: "cache_store_lost", store: name });
    if (event === "closed") log?.({ level: "info", event: "cache_store_back", store: name });
  };
  return guardStore(store, { now: () => performance.now(), onEvent });
}

async function secretOf({ secret, stores }: CachingOptions): Promise<Uint8Array> {
  if (secret !== undefined) return new TextEncoder().encode(secret);
  if (stores.some((name) => name.startsWith("redis"))) {
    throw new RuntimeError(
      "INVALID_REQUEST",
      "Cannot share answers without a secret: set SIROCCO_CACHE_SECRET to the same 16 or more characters wherever they are shared",
    );
  }
  const file = stores.find((name) => name.startsWith("sqlite:"))?.slice("sqlite:".length);
  return file === undefined ? randomBytes(32) : await secretBeside(`${file}.secret`);
}

/** The secret in a file that only its owner reads; made where there is none. */
async function secretBeside(path: string): Promise<Uint8Array> {
  try {
    await writeFile(path, randomBytes(32), { flag: "wx", mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  return await readFile(path);
}
