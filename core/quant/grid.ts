/**
 * How the older types round 32 values: to `scale · q + minimum`, q one of `levels` integers from `least`
 * on. Choosing the grid and rounding to it are apart, so that rounding may carry its errors on.
 */
import { fromFloat16, toFloat16 } from "../numeric/float16.ts";

/** Types whose blocks are 32 values on one grid. */
export type GridType = "q4_0" | "q4_1" | "q5_0" | "q5_1" | "q8_0";

/** What a type's grids have in common. */
export interface GridShape {
  /** The smallest integer of a grid. */
  readonly least: number;
  readonly most: number;
  /** Whether a block has a minimum beside its scale. */
  readonly shifted: boolean;
}

/** Every type's grid. Q8_0 leaves −128 out, as GGML does. */
export const GRIDS: Readonly<Record<GridType, GridShape>> = {
  q4_0: { least: -8, most: 7, shifted: false },
  q4_1: { least: 0, most: 15, shifted: true },
  q5_0: { least: -16, most: 15, shifted: false },
  q5_1: { least: 0, most: 31, shifted: true },
  q8_0: { least: -127, most: 127, shifted: false },
};

/** A block's grid; both numbers are binary16 numbers. */
export interface Grid {
  readonly scale: number;
  readonly minimum: number;
}

/** Values of one block. */
export const GRID_VALUES = 32;

/** Scales that are tried around the one that just reaches the largest value, and how far they go. */
const TRIALS = 24;
const WIDEST = 1.15;
const NARROWEST = 0.6;

/** Largest finite binary16 number: no scale may round to infinity. */
const MOST_HALF = 65_504;

/**
 * The grid with the least squared error, each weighted by `importance`, among those whose scale starts
 * from a trial and is then fitted to what was rounded with it. Values have to be finite.
 */
export function fitGrid(
  type: GridType,
  values: ArrayLike<number>,
  importance: ArrayLike<number>,
): Grid {
  const shape = GRIDS[type];
  let best: Grid = { scale: 0, minimum: 0 };
  let bestError = gridError(shape, best, values, importance);
  for (const start of trials(shape, values)) {
    for (const grid of [start, refit(shape, start, values, importance)]) {
      const error = gridError(shape, grid, values, importance);
      if (error < bestError) {
        best = grid;
        bestError = error;
      }
    }
  }
  return best;
}

/** The integer whose value is nearest. */
export function roundTo({ least, most }: GridShape, grid: Grid, value: number): number {
  if (grid.scale === 0) return Math.max(least, 0);
  const q = Math.round((value - grid.minimum) / grid.scale);
  return Math.min(Math.max(q, least), most);
}

function trials(shape: GridShape, values: ArrayLike<number>): Grid[] {
  let low = Infinity;
  let high = -Infinity;
  for (let i = 0; i < values.length; i++) {
    low = Math.min(low, values[i]!);
    high = Math.max(high, values[i]!);
  }
  const factors = Array.from(
    { length: TRIALS },
    (_, i) => NARROWEST + ((WIDEST - NARROWEST) * i) / (TRIALS - 1),
  );
  if (shape.shifted) {
    const middle = (low + high) / 2;
    return factors.map((factor) => {
      const reach = ((high - low) / 2) * factor;
      return toGrid((2 * reach) / shape.most, middle - reach);
    });
  }
  // The largest value goes to the end with one integer more, or to the other.
  const largest = Math.max(-low, high);
  return factors.flatMap((factor) =>
    [1, -1].map((sign) => toGrid((sign * largest * factor) / -shape.least, 0)),
  );
}

/** Least squares, given the integers that the values round to. */
function refit(
  shape: GridShape,
  start: Grid,
  values: ArrayLike<number>,
  importance: ArrayLike<number>,
): Grid {
  let [w, wq, wqq, wx, wqx] = [0, 0, 0, 0, 0];
  for (let i = 0; i < values.length; i++) {
    const weight = importance[i]!;
    const q = roundTo(shape, start, values[i]!);
    w += weight;
    wq += weight * q;
    wqq += weight * q * q;
    wx += weight * values[i]!;
    wqx += weight * q * values[i]!;
  }
  if (!shape.shifted) return wqq > 0 ? toGrid(wqx / wqq, 0) : start;
  const determinant = w * wqq - wq * wq;
  if (!(determinant > 0)) return start;
  return toGrid((w * wqx - wq * wx) / determinant, (wqq * wx - wq * wqx) / determinant);
}

function gridError(
  shape: GridShape,
  grid: Grid,
  values: ArrayLike<number>,
  importance: ArrayLike<number>,
): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) {
    const q = roundTo(shape, grid, values[i]!);
    const error = values[i]! - (grid.scale * q + grid.minimum);
    sum += importance[i]! * error * error;
  }
  return sum;
}

/** Both numbers as the file will hold them. */
export function toGrid(scale: number, minimum: number): Grid {
  return { scale: half(scale), minimum: half(minimum) };
}

function half(value: number): number {
  return fromFloat16(toFloat16(Math.min(Math.max(value, -MOST_HALF), MOST_HALF)));
}
