import { RuntimeError } from "../errors.ts";
import { aborted, late, loadingAgain } from "./endings.ts";
import type { MortalEngine } from "./engine.ts";

/** How long somebody waits for an engine. */
export interface Patience {
  /** Ends waiting. */
  readonly signal?: AbortSignal | undefined;
  /** By the clock; Infinity: as long as anybody. */
  readonly deadline: number;
  /** Whether the request was let in before, so that there is always room for it. */
  readonly admitted: boolean;
}

/** How many may wait for an engine, and how long. */
export interface WaitLimits {
  /** Milliseconds that a request waits for an engine. */
  readonly waitMs: number;
  /** Requests that may wait so, beside those that an engine that broke had let in. */
  readonly maxWaiting: number;
}

/** Those who wait for an engine. */
export interface EngineWaiters {
  readonly size: number;
  /**
   * The next engine. Rejects with `ABORTED`, `DEADLINE_EXCEEDED`, `QUEUE_FULL`, and `MODEL_LOADING` where it takes
   * too long.
   */
  wait(patience: Patience): Promise<MortalEngine>;
  /** It is there: those who had been let in go first, then those who came first. */
  serve(engine: MortalEngine): void;
  /** There will be none. */
  refuse(error: () => RuntimeError): void;
}

interface Waiter {
  readonly admitted: boolean;
  resolve(engine: MortalEngine): void;
  reject(error: RuntimeError): void;
}

/** Nobody waits yet. `now` is a monotonic clock in milliseconds. */
export function createEngineWaiters(
  { waitMs, maxWaiting }: WaitLimits,
  now: () => number,
): EngineWaiters {
  const waiters = new Set<Waiter>();

  async function wait({ signal, deadline, admitted }: Patience): Promise<MortalEngine> {
    if (!admitted && waiters.size >= maxWaiting) {
      throw new RuntimeError("QUEUE_FULL", "The engine is being replaced, and many wait for it");
    }
    const most = Math.min(waitMs, deadline - now());
    let waiter: Waiter | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const abort = (): void => waiter?.reject(aborted());
    try {
      return await new Promise<MortalEngine>((resolve, reject) => {
        waiter = { admitted, resolve, reject };
        waiters.add(waiter);
        timer = setTimeout(
          () => reject(most < waitMs ? late() : loadingAgain()),
          Math.max(most, 0),
        );
        signal?.addEventListener("abort", abort);
      });
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      if (waiter !== undefined) waiters.delete(waiter);
    }
  }

  return {
    get size() {
      return waiters.size;
    },
    wait,
    serve(engine) {
      // What waits for a promise runs in the order in which promises are resolved.
      for (const waiter of waiters) if (waiter.admitted) waiter.resolve(engine);
      for (const waiter of waiters) waiter.resolve(engine);
    },
    refuse(error) {
      for (const waiter of waiters) waiter.reject(error());
    },
  };
}
