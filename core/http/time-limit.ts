import { within } from "./sse.ts";

/** Bounds waits in time. */
export interface TimeLimit {
  /** What `promise` becomes, or `undefined` where that takes longer than `milliseconds`. */
  within<T>(promise: Promise<T>, milliseconds: number): Promise<T | undefined>;
}

/** A timer for each wait: exact, and all that there is where a request must not wake another, as in workerd. */
export const OWN_TIMERS: TimeLimit = { within };

/** How late a wait may be found to have been too long. */
const TICK_MS = 250;

interface Wait {
  /** By the monotonic clock. */
  readonly until: number;
  readonly expire: () => void;
}

/**
 * One timer for all waits, as long as there are any: most of them end in microseconds, and in Deno making a timer
 * and clearing it takes longer than an answer from memory. Waits end up to 250 ms late.
 *
 * @param now Monotonic clock in milliseconds.
 */
export function createSharedTimer(now: () => number): TimeLimit {
  const waits = new Set<Wait>();
  let ticking = false;

  function tick(): void {
    const time = now();
    for (const wait of waits) {
      if (wait.until > time) continue;
      waits.delete(wait);
      wait.expire();
    }
    ticking = waits.size > 0;
    if (ticking) setTimeout(tick, TICK_MS);
  }

  return {
    within: (promise, milliseconds) =>
      new Promise((resolve, reject) => {
        const wait: Wait = { until: now() + milliseconds, expire: () => resolve(undefined) };
        waits.add(wait);
        if (!ticking) {
          ticking = true;
          setTimeout(tick, TICK_MS);
        }
        const settle = async (): Promise<void> => {
          try {
            resolve(await promise);
          } catch (error) {
            reject(error);
          } finally {
            waits.delete(wait);
          }
        };
        void settle();
      }),
  };
}
