/** What a profile saw. */
export interface Seen {
  readonly figures: Readonly<Record<string, number | string>>;
  /** What must not be; empty where all is well. */
  readonly wrong: readonly string[];
}

/** The value that a share of all lies at or below (nearest rank); `NaN` of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(Math.ceil(share * sorted.length) - 1, 0)] ?? NaN;
}

/**
 * The slope of points as Theil and Sen have it: the median of the slopes between all pairs. A few samples that are
 * far off, as after a garbage collection that came late, do not move it.
 */
export function slope(samples: readonly (readonly [x: number, y: number])[]): number {
  const slopes = samples.flatMap(([x, y], i) =>
    samples.slice(i + 1).map(([x2, y2]) => (y2 - y) / (x2 - x)),
  );
  return quantile(slopes, 0.5);
}
