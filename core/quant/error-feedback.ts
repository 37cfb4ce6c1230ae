/**
 * Rounding that hands its errors on (GPTQ: Frantar et al. 2022, arXiv:2210.17323): each column's error is made up
 * for by the columns that are not rounded yet, as far as the activations that they meet go together.
 */
import { byteLength, WEIGHT_TYPES } from "../tensor/dtype.ts";
import { fitGrid, GRID_VALUES, GRIDS, type GridType, roundTo } from "./grid.ts";
import { writeBlock } from "./quantize-legacy.ts";

/** Second moments of a product's inputs, prepared; see {@linkcode prepareMoments}. */
export interface PreparedMoments {
  readonly columns: number;
  /** [columns, columns], row j from j + 1 on: how an error of column j is spread over later ones. */
  readonly spread: Float32Array;
  /** [columns]: what an error of a column costs when later ones have made up for it. */
  readonly cost: Float32Array;
}

/**
 * Prepare `moments`[columns, columns], the sum over inputs x of x · xᵀ. A part `damping` of their mean diagonal is
 * added to it: where there were few inputs, less is inferred from them. Takes columns³ / 3 operations.
 *
 * Throws `RangeError` unless the moments are square and, damped, positive definite.
 */
export function prepareMoments(
  moments: Float32Array,
  columns: number,
  damping: number,
): PreparedMoments {
  if (moments.length !== columns * columns) {
    throw new RangeError(`Cannot prepare ${moments.length} moments of ${columns} columns`);
  }
  let trace = 0;
  for (let i = 0; i < columns; i++) trace += moments[i * columns + i]!;
  // moments = V · Vᵀ with V upper triangular, found as a Cholesky factor of the reversed matrix; then the inverse
  // is Uᵀ · U with U = V⁻¹, the upper factor that the columns' order wants.
  const last = columns - 1;
  const lower = new Float64Array(columns * columns);
  for (let i = 0; i < columns; i++) {
    for (let j = 0; j <= i; j++) {
      lower[i * columns + j] = moments[(last - i) * columns + (last - j)]!;
    }
    lower[i * columns + i]! += (damping * trace) / columns;
  }
  factorise(lower, columns);
  const inverse = invertLower(lower, columns);

  const spread = new Float32Array(columns * columns);
  const cost = new Float32Array(columns);
  for (let j = 0; j < columns; j++) {
    const from = last - j;
    const diagonal = inverse[from * columns + from]!;
    cost[j] = 1 / (diagonal * diagonal);
    for (let k = j + 1; k < columns; k++) {
      spread[j * columns + k] = inverse[(last - k) * columns + from]! / diagonal;
    }
  }
  return { columns, spread, cost };
}

/** The lower Cholesky factor, in place. Throws `RangeError` where there is none. */
function factorise(a: Float64Array, n: number): void {
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = a[i * n + j]!;
      for (let k = 0; k < j; k++) sum -= a[i * n + k]! * a[j * n + k]!;
      if (i > j) {
        a[i * n + j] = sum / a[j * n + j]!;
      } else if (sum > 0) {
        a[i * n + i] = Math.sqrt(sum);
      } else {
        throw new RangeError(
          `Cannot prepare moments: column ${n - 1 - i} is fixed by others; use more damping`,
        );
      }
    }
  }
}

/** The inverse of a lower triangular matrix, transposed: row j holds column j. */
function invertLower(a: Float64Array, n: number): Float64Array {
  const inverse = new Float64Array(n * n);
  for (let j = 0; j < n; j++) {
    const row = j * n;
    inverse[row + j] = 1 / a[row + j]!;
    for (let i = j + 1; i < n; i++) {
      let sum = 0;
      for (let k = j; k < i; k++) sum -= a[i * n + k]! * inverse[row + k]!;
      inverse[row + i] = sum / a[i * n + i]!;
    }
  }
  return inverse;
}

/**
 * Quantise `values`[rows, columns] so that products with inputs like those of the moments change least. Throws
 * `RangeError` unless these are whole rows.
 */
export function quantizeWithFeedback(
  type: GridType,
  values: Float32Array,
  { columns, spread, cost }: PreparedMoments,
): Uint8Array {
  if (values.length % columns !== 0 || columns % GRID_VALUES !== 0) {
    throw new RangeError(
      `Cannot quantise ${values.length} values: expected whole rows of ${columns}`,
    );
  }
  const out = new Uint8Array(byteLength(type, values.length));
  const row = new Float64Array(columns);
  const integers = new Int16Array(GRID_VALUES);
  const errors = new Float64Array(GRID_VALUES);
  const shape = GRIDS[type];
  let to = 0;
  for (let from = 0; from < values.length; from += columns) {
    row.set(values.subarray(from, from + columns));
    for (let first = 0; first < columns; first += GRID_VALUES) {
      const end = first + GRID_VALUES;
      const grid = fitGrid(type, row.subarray(first, end), cost.subarray(first, end));
      for (let j = first; j < end; j++) {
        const q = roundTo(shape, grid, row[j]!);
        const error = row[j]! - (grid.scale * q + grid.minimum);
        integers[j - first] = q;
        errors[j - first] = error;
        for (let k = j + 1; k < end; k++) row[k]! -= error * spread[j * columns + k]!;
      }
      for (let j = first; j < end; j++) {
        const error = errors[j - first]!;
        if (error === 0) continue;
        for (let k = end; k < columns; k++) row[k]! -= error * spread[j * columns + k]!;
      }
      writeBlock(type, grid, integers, out, to);
      to += WEIGHT_TYPES[type].bytes;
    }
  }
  return out;
}
