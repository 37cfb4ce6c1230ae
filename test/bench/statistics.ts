/** Median and extremes of repeated measurements. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly greatest: number;
  readonly count: number;
}

/** Throws `RangeError` for no values. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle];
  const lower = sorted[sorted.length - 1 - middle];
  const least = sorted[0];
  const greatest = sorted.at(-1);
  if (upper === undefined || lower === undefined || least === undefined || greatest === undefined) {
    throw new RangeError("Cannot take the median of no values");
  }
  return { median: (lower + upper) / 2, least, greatest, count: sorted.length };
}

/** Three digits that count, and no more decimals than one below a hundred. */
export function digits(value: number): string {
  if (value >= 100) return value.toFixed(0);
  return value >= 1 ? value.toFixed(1) : value.toFixed(2);
}
