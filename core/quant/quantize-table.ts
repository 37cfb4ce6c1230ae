/** Types with a table of values, written: the counterpart of `table-quants.ts`, which has their layouts. */
import { IQ4_VALUES, MXFP4_VALUES } from "./table-quants.ts";
import { toHalf, writeBits16, writeHalf } from "./write-block.ts";

/** Values of a block, and of a group of IQ4_XS. */
const BLOCK = 32;

/** A table sorted, with the places of its values and the bounds between nearest ones. */
interface SortedTable {
  readonly values: Float64Array;
  readonly places: Uint8Array;
  readonly bounds: Float64Array;
}

const IQ4: SortedTable = sorted(IQ4_VALUES);
const MXFP4: SortedTable = sorted(MXFP4_VALUES);

/** Trials on each side of the scale that puts the largest value at the end of the table, in hundredths of it. */
const TRIALS = 8;
const STEP = 0.03;
const ROUNDS = 2;

function sorted(table: readonly number[]): SortedTable {
  const places = table.map((_, place) => place).toSorted((a, b) => table[a]! - table[b]!);
  const values = Float64Array.from(places, (place) => table[place]!);
  const bounds = Float64Array.from({ length: 15 }, (_, i) => (values[i]! + values[i + 1]!) / 2);
  return { values, places: Uint8Array.from(places), bounds };
}

/** The place among the sorted values of the one that is nearest. */
function nearest(bounds: Float64Array, value: number): number {
  let place = value > bounds[7]! ? 8 : 0;
  if (value > bounds[place + 3]!) place += 4;
  if (value > bounds[place + 1]!) place += 2;
  return value > bounds[place]! ? place + 1 : place;
}

/** The scale by which `values`[from, from + 32) are nearest to values of the table; zero for zeros. */
function fitTableScale(table: SortedTable, values: Float32Array, from: number): number {
  let largest = 0;
  for (let i = from; i < from + BLOCK; i++) {
    if (Math.abs(values[i]!) > Math.abs(largest)) largest = values[i]!;
  }
  if (largest === 0) return 0;
  let best = 0;
  let bestGain = -1;
  const consider = (scale: number): void => {
    const inverse = 1 / scale;
    let product = 0;
    let square = 0;
    for (let i = from; i < from + BLOCK; i++) {
      const q = table.values[nearest(table.bounds, values[i]! * inverse)]!;
      product += q * values[i]!;
      square += q * q;
    }
    const gain = square > 0 ? (product * product) / square : 0;
    if (gain <= bestGain) return;
    bestGain = gain;
    best = square > 0 ? product / square : scale;
  };
  for (let trial = -TRIALS; trial <= TRIALS; trial++) {
    const stretch = 1 + STEP * trial;
    // Either end of the table may take the largest value: they differ.
    consider((largest * stretch) / table.values[0]!);
    consider((largest * stretch) / table.values[15]!);
  }
  for (let round = 0; round < ROUNDS; round++) consider(best);
  return best;
}

function writeNibbles(
  table: SortedTable,
  values: Float32Array,
  from: number,
  scale: number,
  out: Uint8Array,
  at: number,
): void {
  const inverse = scale === 0 ? 0 : 1 / scale;
  for (let j = 0; j < 16; j++) {
    const low = table.places[nearest(table.bounds, values[from + j]! * inverse)]!;
    const high = table.places[nearest(table.bounds, values[from + j + 16]! * inverse)]!;
    out[at + j] = low | (high << 4);
  }
}

/** IQ4_NL: 32 values and their scale. */
export function writeIQ4NL(values: Float32Array, from: number, out: Uint8Array, at: number): void {
  const d = toHalf(fitTableScale(IQ4, values, from));
  writeHalf(d, out, at);
  writeNibbles(IQ4, values, from, d, out, at + 2);
}

/** IQ4_XS: eight groups of 32 values, their scales of 6 bits. */
export function writeIQ4XS(values: Float32Array, from: number, out: Uint8Array, at: number): void {
  const fitted = Float64Array.from({ length: 8 }, (_, j) =>
    fitTableScale(IQ4, values, from + BLOCK * j),
  );
  let largest = 0;
  for (const scale of fitted) if (Math.abs(scale) > Math.abs(largest)) largest = scale;
  const d = toHalf(largest / -32);
  writeHalf(d, out, at);
  out.fill(0, at + 4, at + 8);
  let pairs = 0;
  for (let j = 0; j < 8; j++) {
    const scale = d === 0 ? 0 : Math.min(Math.max(Math.round(fitted[j]! / d), -32), 31);
    out[at + 4 + (j >> 1)]! |= ((scale + 32) & 15) << (4 * (j & 1));
    pairs |= ((scale + 32) >> 4) << (2 * j);
    writeNibbles(IQ4, values, from + BLOCK * j, d * scale, out, at + 8 + 16 * j);
  }
  writeBits16(pairs, out, at + 2);
}

/** Twelve times a larger power of two would be beyond float32. */
const MOST_EXPONENT = 252;

/** MXFP4: 32 values and the power of two by which they lose least. */
export function writeMXFP4(values: Float32Array, from: number, out: Uint8Array, at: number): void {
  let largest = 0;
  for (let i = from; i < from + BLOCK; i++) largest = Math.max(largest, Math.abs(values[i]!));
  let best = 0;
  if (largest > 0) {
    // The largest value of the table is 12 halves.
    const reach = Math.ceil(Math.log2(largest / 12)) + 128;
    let bestError = Infinity;
    for (let exponent = reach - 1; exponent <= reach + 1; exponent++) {
      const clamped = Math.min(Math.max(exponent, 0), MOST_EXPONENT);
      const error = powerError(values, from, 2 ** (clamped - 128));
      if (error >= bestError) continue;
      bestError = error;
      best = clamped;
    }
  }
  out[at] = best;
  writeNibbles(MXFP4, values, from, 2 ** (best - 128), out, at + 1);
}

function powerError(values: Float32Array, from: number, scale: number): number {
  let sum = 0;
  for (let i = from; i < from + BLOCK; i++) {
    const q = MXFP4.values[nearest(MXFP4.bounds, values[i]! / scale)]!;
    sum += (values[i]! - scale * q) ** 2;
  }
  return sum;
}
