/** A distribution in milliseconds; zeros where nothing was measured. */
export interface Distribution {
  readonly count: number;
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

/** Describe values by their percentiles (nearest rank: each is a value that occurred). */
export function describeSamples(values: readonly number[]): Distribution {
  const sorted = values.toSorted((a, b) => a - b);
  const rank = (share: number): number => sorted[Math.ceil(share * sorted.length) - 1] ?? 0;
  const sum = sorted.reduce((total, value) => total + value, 0);
  return {
    count: sorted.length,
    mean: sorted.length === 0 ? 0 : sum / sorted.length,
    p50: rank(0.5),
    p90: rank(0.9),
    p95: rank(0.95),
    p99: rank(0.99),
    max: sorted.at(-1) ?? 0,
  };
}

/** Values from `from` up to `to`, and how many. */
export interface Bin {
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

/** Below this a bin would be finer than a clock. */
const FINEST = 0.1;

/** Bins that each end at the square root of two times the last one's end, without empty ones at the ends. */
export function toHistogram(values: readonly number[]): Bin[] {
  if (values.length === 0) return [];
  const counts = new Map<number, number>();
  for (const value of values) {
    const index = Math.floor(2 * Math.log2(Math.max(value, FINEST)));
    counts.set(index, (counts.get(index) ?? 0) + 1);
  }
  const first = Math.min(...counts.keys());
  const last = Math.max(...counts.keys());
  return Array.from({ length: last - first + 1 }, (_, i) => ({
    from: 2 ** ((first + i) / 2),
    to: 2 ** ((first + i + 1) / 2),
    count: counts.get(first + i) ?? 0,
  }));
}
