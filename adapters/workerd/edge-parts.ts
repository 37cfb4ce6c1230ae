import { createAnswerCache } from "../../core/cache/answers.ts";
import { guardStore } from "../../core/cache/guarded-store.ts";
import type { CacheStore } from "../../core/cache/store.ts";
import type { AnswerCaching, AppDeps, LogRecord } from "../../core/http/deps.ts";
import { createAccess, type ApiKey } from "../../core/http/edge/access.ts";
import type { OverflowLimits } from "../../core/pool/overflow.ts";
import type { Metrics } from "../../core/metrics/metrics.ts";
import { POOL_EVENTS, POOL_GAP_SECONDS } from "../../core/metrics/names.ts";
import { coalescePool } from "../../core/pool/coalesced-pool.ts";
import { createPool, type Pool, type PoolEvent, type PoolOptions } from "../../core/pool/pool.ts";
import type { PoolNode } from "../../core/pool/nodes.ts";
import { createFetchTransport } from "../../core/pool/transport.ts";
import { createUpstream, type UpstreamOptions } from "../../core/pool/upstream.ts";
import { meetingPlaces } from "./meeting-places.ts";
import { tendWithRequests } from "./tend-pool.ts";

/** What stands around the answers of a worker, computed here or elsewhere. Each is asked for once per isolate. */
export interface EdgeOptions<Env> {
  /**
   * Servers of ours that answer what has no room here, or no model. They go on with an answer that was begun here
   * only where they have the same model, by its digest.
   */
  readonly pool?: (env: Env) => WorkerPool;
  /**
   * Objects of `createFlights`' class: what many isolates ask of the pool at one time is computed once for all.
   * Each isolate asks by itself unless given, and where an object does not answer. It takes a `cache`, whose keys tell
   * which requests are equal.
   */
  readonly flights?: (env: Env) => DurableObjectNamespace;
  /** When requests go over to the pool, where a model is here. */
  readonly overflow?: Partial<OverflowLimits>;
  /** Somebody else's server, for when there is room nowhere. */
  readonly upstream?: (env: Env) => WorkerUpstream;
  /** Keep answers. */
  readonly cache?: (env: Env) => WorkerCache;
  /** Who may do what; everybody everything unless given. */
  readonly keys?: (env: Env) => readonly ApiKey[];
  /** Takes a record of every request and of what happens to the pool; never prompts or answers. */
  readonly log?: (record: LogRecord) => void;
}

/** A pool of servers. */
export interface WorkerPool {
  /** Where they are; addresses come from here and never from a request. */
  readonly nodes: readonly PoolNode[];
  /** What opens them. With the scope `relay` they keep tenants apart, and compute once what many isolates ask. */
  readonly key?: string;
}

/** Somebody else's server that speaks OpenAI's API. */
export type WorkerUpstream = Pick<UpstreamOptions, "url" | "key" | "model" | "requestsPerMinute">;

/** Where answers are kept. */
export interface WorkerCache {
  /** At least 16 bytes that only those know who share a store; a secret of the worker. */
  readonly secret: string;
  /** Behind the isolate's own memory, the nearest first: the Cache API, KV. */
  readonly stores: readonly CacheStore[];
  /** Bytes of answers in the isolate's memory. */
  readonly memoryBytes?: number;
  /** Seconds for which an answer is fresh; a day unless given. */
  readonly ttlSeconds?: number;
}

/** What the platform gives with a request. */
export interface WorkerContext {
  /** Keep the isolate for work that the response does not wait for. */
  waitUntil(work: Promise<unknown>): void;
}

/** Parts of an application, and what each request has to do for them. */
export interface EdgeParts {
  readonly deps: Pick<AppDeps, "access" | "caching" | "log" | "overflow" | "pool" | "upstream">;
  /** Count what happens there from now on. */
  countIn(metrics: Metrics): void;
  /** To be called before a request is answered. */
  attend(request: Request, context: WorkerContext): Promise<void>;
}

/** A sixth of what an isolate may use. */
const MEMORY_BYTES = 16 * 1024 * 1024;
const DAY_SECONDS = 24 * 60 * 60;
/** RFC 5861's windows. */
const STALE = { whileRevalidateMs: 60_000, ifErrorMs: 300_000 };
/** A store of the platform's own is asked over its network: more than in a data centre of one's own. */
const STORE_DEADLINE_MS = 250;
const VERIFY_ONE_IN = 1000;

const now = (): number => performance.now();

/** Open what is configured. To be called in a request: outside of one there is neither randomness nor time. */
export function openEdge<Env>(options: EdgeOptions<Env>, env: Env): EdgeParts {
  const { log = () => {}, overflow } = options;
  const contexts = new WeakMap<Request, WorkerContext>();
  let metrics: Metrics | undefined;
  const onEvent = (event: PoolEvent): void => metrics?.counter(POOL_EVENTS, { event }).add();
  const configured = options.pool?.(env);
  const nodes =
    configured &&
    openPool(configured, {
      log,
      onEvent,
      onGap: (ms) => metrics?.histogram(POOL_GAP_SECONDS, {}).observe(ms / 1000),
    });
  const flights = options.flights?.(env);
  const pool =
    nodes === undefined || flights === undefined
      ? nodes
      : coalescePool(nodes, { places: meetingPlaces(flights), now, onEvent });
  const tend = pool && tendWithRequests(pool);
  const upstream = options.upstream?.(env);
  const keys = options.keys?.(env);
  const cache = options.cache?.(env);
  return {
    deps: {
      log,
      access: createAccess(keys, now),
      ...(overflow === undefined ? {} : { overflow }),
      ...(pool === undefined ? {} : { pool }),
      ...(upstream === undefined
        ? {}
        : {
            upstream: createUpstream({ ...upstream, transport: createFetchTransport(), now, log }),
          }),
      ...(cache === undefined ? {} : { caching: openCache(cache, pool === undefined, contexts) }),
    },
    countIn(counted) {
      metrics = counted;
    },
    async attend(request, context) {
      contexts.set(request, context);
      await tend?.((work) => context.waitUntil(work));
    },
  };
}

/** Open the pool that is configured. */
export function openPool(
  pool: WorkerPool,
  listeners: Pick<PoolOptions, "log" | "onEvent" | "onGap">,
): Pool {
  const transport = createFetchTransport();
  return createPool({ ...pool, ...listeners, transport, now, random: Math.random });
}

function openCache(
  { secret, stores, memoryBytes = MEMORY_BYTES, ttlSeconds = DAY_SECONDS }: WorkerCache,
  shares: boolean,
  contexts: WeakMap<Request, WorkerContext>,
): AnswerCaching {
  return {
    answers: createAnswerCache({
      secret: new TextEncoder().encode(secret),
      epoch: 1,
      stores: stores.map((store) => guardStore(store, { now, deadlineMs: STORE_DEADLINE_MS })),
      memoryBytes,
      freshMs: ttlSeconds * 1000,
      staleMs: STALE.ifErrorMs,
      // An answer on its way from the pool belongs to the request that asked for it, and ends with it.
      shares,
      wallClock: Date.now,
      random: Math.random,
    }),
    stale: STALE,
    verifyOneIn: VERIFY_ONE_IN,
    wallClock: Date.now,
    background(work, request) {
      // What is not kept, or not verified, is nobody's loss.
      contexts.get(request)?.waitUntil(work.catch(() => undefined));
    },
  };
}
