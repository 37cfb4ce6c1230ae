/** Times to the first byte of the latest answers, for knowing when one is late. */
export interface Latencies {
  add(milliseconds: number): void;
  /** The time within which 95 of 100 answers begin; `undefined` while too few have been seen. */
  p95(): number | undefined;
}

/** Answers that are remembered: enough for a percentile, few enough to follow a change of load. */
const WINDOW = 200;

/** Below this the 95th percentile is the slowest or its neighbour, which says nothing. */
const LEAST = 20;

/** No answers yet. */
export function createLatencies(): Latencies {
  const seen: number[] = [];
  let next = 0;
  let known: number | undefined;
  return {
    add(milliseconds) {
      seen[next] = milliseconds;
      next = (next + 1) % WINDOW;
      known = undefined;
    },
    p95() {
      if (seen.length < LEAST) return undefined;
      known ??= seen.toSorted((a, b) => a - b)[Math.ceil(seen.length * 0.95) - 1];
      return known;
    },
  };
}
