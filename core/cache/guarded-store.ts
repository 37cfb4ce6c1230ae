import { createLeases } from "../pool/leases.ts";
import type { CacheStore } from "./store.ts";

/** What happened at a store; for metrics and the log. */
export type StoreEvent = "timeout" | "error" | "opened" | "closed";

/** How much trouble a store may make. */
export interface GuardOptions {
  /**
   * A call that takes longer counts as failed and is not waited for. A cache further away than this is of
   * no use, and a driver's own timeout is not to be relied on (a frozen server keeps its socket open).
   */
  readonly deadlineMs?: number;
  /** So many failures in a row open the breaker: nothing is asked for a while. */
  readonly failures?: number;
  /** The first pause; it doubles with each failed trial up to {@linkcode longestPauseMs}. */
  readonly pauseMs?: number;
  /** The longest pause. */
  readonly longestPauseMs?: number;
  /** Monotonic clock in milliseconds. */
  readonly now: () => number;
  /** Hears what happens. */
  readonly onEvent?: (store: string, event: StoreEvent, error?: unknown) => void;
}

/** A store that never throws and never keeps anybody waiting beyond its deadline. */
export interface GuardedStore extends CacheStore {
  /** Whether calls are being passed over now. */
  readonly open: boolean;
}

const DEADLINE_MS = 100;
const FAILURES = 5;
const PAUSE_MS = 500;
/** After an outage the store is in use again within this time. */
const LONGEST_PAUSE_MS = 4000;
/** Calls that may wait for a store at a time; beyond them it is passed over, so that nothing piles up. */
const MAX_PENDING = 256;

/**
 * Stand between a store and everybody else. Reads that fail are misses, writes that fail are dropped; after
 * some failures in a row the breaker opens and nothing is asked until a pause is over, when a single call
 * tries (the circuit breaker of Nygard, Release It!).
 */
export function guardStore(store: CacheStore, options: GuardOptions): GuardedStore {
  const { now, onEvent } = options;
  const deadlineMs = options.deadlineMs ?? DEADLINE_MS;
  const limit = options.failures ?? FAILURES;
  const longest = options.longestPauseMs ?? LONGEST_PAUSE_MS;
  let pause = options.pauseMs ?? PAUSE_MS;
  let failures = 0;
  let openUntil: number | undefined;
  const trials = createLeases(now, 2 * deadlineMs);
  const pending = createLeases(now, 2 * deadlineMs);

  function succeeded(): void {
    failures = 0;
    if (openUntil === undefined) return;
    openUntil = undefined;
    pause = options.pauseMs ?? PAUSE_MS;
    onEvent?.(store.name, "closed");
  }

  function failed(trial: boolean, event: "timeout" | "error", error?: unknown): void {
    onEvent?.(store.name, event, error);
    failures++;
    if (trial) {
      pause = Math.min(pause * 2, longest);
      openUntil = now() + pause;
    } else if (failures >= limit && openUntil === undefined) {
      openUntil = now() + pause;
      onEvent?.(store.name, "opened");
    }
  }

  async function call<T>(run: () => Promise<T>, otherwise: T): Promise<T> {
    if (pending.count >= MAX_PENDING) return otherwise;
    const trial = openUntil !== undefined;
    if (trial) {
      if (trials.count > 0 || now() < openUntil!) return otherwise;
    }
    const endTrial = trial ? trials.take() : undefined;
    const end = pending.take();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<"late">((resolve) => {
      timer = setTimeout(() => resolve("late"), deadlineMs);
    });
    // What comes in after the deadline is nobody's concern.
    const first = await Promise.race([attempt(run), late]);
    clearTimeout(timer);
    end();
    endTrial?.();
    if (first === "late") {
      failed(trial, "timeout");
      return otherwise;
    }
    if ("error" in first) {
      failed(trial, "error", first.error);
      return otherwise;
    }
    succeeded();
    return first.value;
  }

  return {
    name: store.name,
    get open() {
      return openUntil !== undefined;
    },
    get: (key) => call<Uint8Array | undefined>(() => store.get(key), undefined),
    put: (key, bytes, ttlMs) => call(() => store.put(key, bytes, ttlMs), undefined),
    delete: (key) => call(() => store.delete(key), undefined),
    close: () => store.close(),
  };
}

type Outcome<T> = { readonly value: T } | { readonly error: unknown };

async function attempt<T>(run: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { value: await run() };
  } catch (error) {
    return { error };
  }
}
