/**
 * The k-quants, written: the counterpart of `k-quants.ts`, which has their layouts. Each group of a super-block gets
 * the scale, and the minimum, that lose least; these become small integers, and the quants follow from what the
 * integers stand for.
 */
import { fitScale, fitScaleAndMinimum } from "./scale-search.ts";
import { toHalf, writeHalf } from "./write-block.ts";

/** Values of a super-block. */
export const SUPER_VALUES = 256;

/** Writes the block of `values` from `from` on to `out` from `at` on. */
export type WriteBlock = (values: Float32Array, from: number, out: Uint8Array, at: number) => void;

/** Q2_K: groups of 16, scales and minima of 4 bits, quants of 2. */
export const writeQ2K: WriteBlock = (values, from, out, at) => {
  const { d, dmin, scales, minima, quants } = shiftedGroups(values, from, 16, 15, 3);
  writeHalf(d, out, at + 80);
  writeHalf(dmin, out, at + 82);
  for (let j = 0; j < 16; j++) out[at + j] = scales[j]! | (minima[j]! << 4);
  packPairs(quants, out, at + 16);
};

/** Q3_K: groups of 16, signed scales of 6 bits, quants of 3. */
export const writeQ3K: WriteBlock = (values, from, out, at) => {
  const { d, scales, quants } = signedGroups(values, from, -32, 31, -4, 3);
  writeHalf(d, out, at + 108);
  out.fill(0, at, at + 32);
  for (let i = 0; i < SUPER_VALUES; i++) {
    const q = quants[i]! + 4;
    quants[i] = q & 3;
    out[at + (i & 31)]! |= (q >> 2) << (i >> 5);
  }
  packPairs(quants, out, at + 32);
  out.fill(0, at + 96, at + 108);
  for (let j = 0; j < 16; j++) {
    const scale = scales[j]! + 32;
    out[at + 96 + (j & 7)]! |= (scale & 15) << (4 * (j >> 3));
    out[at + 104 + (j & 3)]! |= (scale >> 4) << (2 * (j >> 2));
  }
};

/** Q4_K: groups of 32, scales and minima of 6 bits, quants of 4. */
export const writeQ4K: WriteBlock = (values, from, out, at) => {
  const groups = shiftedGroups(values, from, 32, 63, 15);
  writeHalf(groups.d, out, at);
  writeHalf(groups.dmin, out, at + 2);
  packScales(groups, out, at + 4);
  packNibbles(groups.quants, out, at + 16);
};

/** Q5_K: as Q4_K, quants of 5. */
export const writeQ5K: WriteBlock = (values, from, out, at) => {
  const groups = shiftedGroups(values, from, 32, 63, 31);
  const { quants } = groups;
  writeHalf(groups.d, out, at);
  writeHalf(groups.dmin, out, at + 2);
  packScales(groups, out, at + 4);
  out.fill(0, at + 16, at + 48);
  for (let i = 0; i < SUPER_VALUES; i++) out[at + 16 + (i & 31)]! |= (quants[i]! >> 4) << (i >> 5);
  packNibbles(quants, out, at + 48);
};

/** Q6_K: groups of 16, signed scales of 8 bits, quants of 6. */
export const writeQ6K: WriteBlock = (values, from, out, at) => {
  const { d, scales, quants } = signedGroups(values, from, -128, 127, -32, 31);
  writeHalf(d, out, at + 208);
  for (let j = 0; j < 16; j++) out[at + 192 + j] = scales[j]! & 255;
  out.fill(0, at, at + 192);
  for (let i = 0; i < SUPER_VALUES; i++) {
    const q = quants[i]! + 32;
    const half = i >> 7;
    out[at + 64 * half + (i & 63)]! |= (q & 15) << (4 * ((i >> 6) & 1));
    out[at + 128 + 32 * half + (i & 31)]! |= (q >> 4) << (2 * ((i >> 5) & 3));
  }
};

interface SignedGroups {
  readonly d: number;
  readonly scales: Int32Array;
  readonly quants: Int32Array;
}

/** 16 groups of 16 values: value = d · scale · q, with scales and quants in the ranges given. */
function signedGroups(
  values: Float32Array,
  from: number,
  leastScale: number,
  mostScale: number,
  least: number,
  most: number,
): SignedGroups {
  const fitted = new Float64Array(16);
  let largest = 0;
  for (let j = 0; j < 16; j++) {
    const start = from + 16 * j;
    const scale = fitScale(values, start, start + 16, least, most);
    fitted[j] = scale;
    if (Math.abs(scale) > Math.abs(largest)) largest = scale;
  }
  const d = toHalf(largest / leastScale);
  const scales = new Int32Array(16);
  const quants = new Int32Array(SUPER_VALUES);
  if (d === 0) return { d, scales, quants };
  for (let j = 0; j < 16; j++) {
    const scale = clamp(Math.round(fitted[j]! / d), leastScale, mostScale);
    scales[j] = scale;
    const inverse = scale === 0 ? 0 : 1 / (d * scale);
    for (let i = 16 * j; i < 16 * j + 16; i++) {
      quants[i] = clamp(Math.round(values[from + i]! * inverse), least, most);
    }
  }
  return { d, scales, quants };
}

interface ShiftedGroups extends SignedGroups {
  readonly dmin: number;
  readonly minima: Int32Array;
}

/** Groups of `size` values: value = d · scale · q − dmin · minimum, scales and minima up to `mostScale`. */
function shiftedGroups(
  values: Float32Array,
  from: number,
  size: number,
  mostScale: number,
  most: number,
): ShiftedGroups {
  const count = SUPER_VALUES / size;
  const fittedScales = new Float64Array(count);
  const fittedMinima = new Float64Array(count);
  let largestScale = 0;
  let largestMinimum = 0;
  for (let j = 0; j < count; j++) {
    const start = from + size * j;
    // Minima are subtracted: a group of positive values begins at zero.
    const { scale, minimum } = fitScaleAndMinimum(values, start, start + size, most, 0);
    fittedScales[j] = scale;
    fittedMinima[j] = -minimum;
    largestScale = Math.max(largestScale, scale);
    largestMinimum = Math.max(largestMinimum, -minimum);
  }
  const d = toHalf(largestScale / mostScale);
  const dmin = toHalf(largestMinimum / mostScale);
  const scales = new Int32Array(count);
  const minima = new Int32Array(count);
  const quants = new Int32Array(SUPER_VALUES);
  for (let j = 0; j < count; j++) {
    scales[j] = d === 0 ? 0 : clamp(Math.round(fittedScales[j]! / d), 0, mostScale);
    minima[j] = dmin === 0 ? 0 : clamp(Math.round(fittedMinima[j]! / dmin), 0, mostScale);
    const scale = d * scales[j]!;
    const inverse = scale === 0 ? 0 : 1 / scale;
    const minimum = dmin * minima[j]!;
    for (let i = size * j; i < size * (j + 1); i++) {
      quants[i] = clamp(Math.round((values[from + i]! + minimum) * inverse), 0, most);
    }
  }
  return { d, dmin, scales, minima, quants };
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most);
}

/** Quants of 2 bits: value l + 32 j of each half in bits 2j of byte l. */
function packPairs(quants: Int32Array, out: Uint8Array, at: number): void {
  out.fill(0, at, at + 64);
  for (let i = 0; i < SUPER_VALUES; i++) {
    out[at + 32 * (i >> 7) + (i & 31)]! |= quants[i]! << (2 * ((i >> 5) & 3));
  }
}

/** Low nibbles: of each quarter value l in the low, value l + 32 in the high nibble of byte l. */
function packNibbles(quants: Int32Array, out: Uint8Array, at: number): void {
  for (let l = 0; l < 128; l++) {
    const first = 64 * (l >> 5) + (l & 31);
    out[at + l] = (quants[first]! & 15) | ((quants[first + 32]! & 15) << 4);
  }
}

/** Eight scales and eight minima of 6 bits in 12 bytes, as `groupScale` of `k-quants.ts` reads them. */
function packScales({ scales, minima }: ShiftedGroups, out: Uint8Array, at: number): void {
  for (let j = 0; j < 4; j++) {
    out[at + j] = scales[j]! | ((scales[j + 4]! >> 4) << 6);
    out[at + j + 4] = minima[j]! | ((minima[j + 4]! >> 4) << 6);
    out[at + j + 8] = (scales[j + 4]! & 15) | ((minima[j + 4]! & 15) << 4);
  }
}
