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
      unless(promise, (expire) => {
        const wait: Wait = { until: now() + milliseconds, expire };
        waits.add(wait);
        if (!ticking) {
          ticking = true;
          setTimeout(tick, TICK_MS);
        }
        return () => waits.delete(wait);
      }),
  };
}

/** What `promise` becomes, or `undefined` where that takes longer than `milliseconds`. */
export function within<T>(promise: Promise<T>, milliseconds: number): Promise<T | undefined> {
  return unless(promise, (expire) => {
    const timer = setTimeout(expire, milliseconds);
    return () => clearTimeout(timer);
  });
}

/** What `promise` becomes, or `undefined` once the clock expires; `start` sets it, and returns what stops it. */
function unless<T>(
  promise: Promise<T>,
  start: (expire: () => void) => () => void,
): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const stop = start(() => resolve(undefined));
    const settle = async (): Promise<void> => {
      try {
        resolve(await promise);
      } catch (error) {
        reject(error);
      } finally {
        stop();
      }
    };
    void settle();
  });
}
