/** Counts what is under way. */
export interface Leases {
  /** One more, until the result is called; calling it again does nothing. */
  take(): () => void;
  readonly count: number;
}

/**
 * Counts that forget what has been under way for longer than `longestMs`: some runtimes end a request with all
 * that belongs to it, and nothing tells that it is over. `now`: monotonic clock in milliseconds.
 */
export function createLeases(now: () => number, longestMs: number): Leases {
  // In the order of their beginning.
  const begun = new Map<symbol, number>();
  return {
    take() {
      const lease = Symbol("lease");
      begun.set(lease, now());
      return () => void begun.delete(lease);
    },
    get count() {
      const oldest = now() - longestMs;
      for (const [lease, since] of begun) {
        if (since > oldest) break;
        begun.delete(lease);
      }
      return begun.size;
    },
  };
}
