/** The older types, written: the counterpart of `legacy-quants.ts`, which has their layouts. */
import { toFloat16 } from "../numeric/float16.ts";
import { byteLength, WEIGHT_TYPES } from "../tensor/dtype.ts";
import { fitGrid, GRID_VALUES, type Grid, GRIDS, type GridType, roundTo } from "./grid.ts";

const HALF = GRID_VALUES / 2;

/**
 * Quantise `values`, whole blocks of 32, each block on the grid that loses least. `importance` weighs the
 * squared error of each column, e.g. by the mean square of the activation that it meets; it repeats over
 * rows of its length, and all values count alike without it.
 *
 * Throws `RangeError` unless the lengths are whole blocks, `importance` whole rows, and all values finite.
 */
export function quantize(
  type: GridType,
  values: Float32Array,
  importance: Float32Array = new Float32Array(GRID_VALUES).fill(1),
): Uint8Array {
  const out = new Uint8Array(byteLength(type, values.length));
  const columns = importance.length;
  if (columns === 0 || columns % GRID_VALUES !== 0 || values.length % columns !== 0) {
    throw new RangeError(
      `Cannot quantise ${values.length} values with an importance of ${columns} columns: expected whole rows of whole blocks`,
    );
  }
  const integers = new Int16Array(GRID_VALUES);
  for (let from = 0, at = 0; from < values.length; from += GRID_VALUES) {
    const block = values.subarray(from, from + GRID_VALUES);
    if (!block.every(Number.isFinite)) {
      throw new RangeError(`Cannot quantise values ${from} to ${from + 31}: not all are finite`);
    }
    const column = from % columns;
    const grid = fitGrid(type, block, importance.subarray(column, column + GRID_VALUES));
    for (let i = 0; i < GRID_VALUES; i++) integers[i] = roundTo(GRIDS[type], grid, block[i]!);
    writeBlock(type, grid, integers, out, at);
    at += WEIGHT_TYPES[type].bytes;
  }
  return out;
}

/** Write one block of 32 integers on a grid of the type's. */
export function writeBlock(
  type: GridType,
  grid: Grid,
  integers: ArrayLike<number>,
  out: Uint8Array,
  at: number,
): void {
  let to = writeHalf(grid.scale, out, at);
  if (GRIDS[type].shifted) to = writeHalf(grid.minimum, out, to);
  if (type === "q8_0") {
    for (let i = 0; i < GRID_VALUES; i++) out[to + i] = integers[i]! & 255;
    return;
  }
  const least = GRIDS[type].least;
  if (type === "q5_0" || type === "q5_1") {
    out.fill(0, to, to + 4);
    for (let i = 0; i < GRID_VALUES; i++) {
      out[to + (i >> 3)]! |= ((integers[i]! - least) >> 4) << (i & 7);
    }
    to += 4;
  }
  for (let i = 0; i < HALF; i++) {
    const low = (integers[i]! - least) & 15;
    const high = (integers[i + HALF]! - least) & 15;
    out[to + i] = low | (high << 4);
  }
}

function writeHalf(value: number, out: Uint8Array, at: number): number {
  const bits = toFloat16(value);
  out[at] = bits & 255;
  out[at + 1] = bits >> 8;
  return at + 2;
}
