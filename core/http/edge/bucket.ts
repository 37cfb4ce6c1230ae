/** A token bucket: holds `limit` at most and fills at `limit` per `periodMs`, evenly. */
export interface Bucket {
  readonly limit: number;
  /** Take out, all or nothing. */
  take(amount: number): boolean;
  /** Put back; a negative amount is owed, and the bucket fills from below zero. */
  put(amount: number): void;
  /** What is in it now; negative while something is owed. */
  left(): number;
  /** Milliseconds until `amount` is in it; Infinity where it never holds as much. */
  waitMs(amount: number): number;
}

/** A full bucket. `now`: monotonic clock in milliseconds. */
export function createBucket(limit: number, periodMs: number, now: () => number): Bucket {
  let level = limit;
  let filled = now();
  function left(): number {
    const time = now();
    // A clock that stands still or steps back gives nothing and takes nothing.
    level = Math.min(level + (Math.max(time - filled, 0) * limit) / periodMs, limit);
    filled = Math.max(time, filled);
    return level;
  }
  return {
    limit,
    take(amount) {
      if (amount > left()) return false;
      level -= amount;
      return true;
    },
    put(amount) {
      level = Math.min(left() + amount, limit);
    },
    left,
    waitMs(amount) {
      if (amount > limit) return Infinity;
      return Math.max(((amount - left()) * periodMs) / limit, 0);
    },
  };
}
