/**
 * Types whose quants of 4 bits are places in a table of 16 values. Sixteen bytes hold 32 of them: value j in the low
 * nibble of byte j, value j + 16 in its high nibble.
 */
import { readBits16, readScale } from "./read-block.ts";

/** What the quants of IQ4_NL and IQ4_XS stand for: closer together where weights are many. */
export const IQ4_VALUES: readonly number[] = [
  -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
];

/**
 * What the quants of MXFP4 stand for, twice: floats of a sign, two bits of exponent and one of fraction (OCP
 * Microscaling Formats 1.0); its negative zero is a zero, as GGML has it.
 */
export const MXFP4_VALUES: readonly number[] = [
  0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12,
];

/** IQ4_NL, 18 bytes: d, 16 bytes of nibbles. value = d · table[q] */
export function readIQ4NL(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  readTable(IQ4_VALUES, readScale(bytes, at), bytes, at + 2, out, to);
}

/**
 * IQ4_XS, 136 bytes: d, 2 bytes of high pairs and 4 of low nibbles of 8 scales of 6 bits, 128 bytes of nibbles, 32
 * values after another. value = d · (scale - 32) · table[q]
 *
 * Scale j has its low nibble in the low (j even) or high nibble of byte j / 2, its high pair in bits 2j.
 */
export function readIQ4XS(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const d = readScale(bytes, at);
  const pairs = readBits16(bytes, at + 2);
  for (let j = 0; j < 8; j++) {
    const low = (bytes[at + 4 + (j >> 1)]! >> (4 * (j & 1))) & 15;
    const scale = low | (((pairs >> (2 * j)) & 3) << 4);
    readTable(IQ4_VALUES, d * (scale - 32), bytes, at + 8 + 16 * j, out, to + 32 * j);
  }
}

/** MXFP4, 17 bytes: a power of two, 16 bytes of nibbles. value = 2^(e - 128) · table[q] */
export function readMXFP4(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  readTable(MXFP4_VALUES, 2 ** (bytes[at]! - 128), bytes, at + 1, out, to);
}

function readTable(
  table: readonly number[],
  scale: number,
  bytes: Uint8Array,
  at: number,
  out: Float32Array,
  to: number,
): void {
  for (let j = 0; j < 16; j++) {
    const pair = bytes[at + j]!;
    out[to + j] = scale * table[pair & 15]!;
    out[to + j + 16] = scale * table[pair >> 4]!;
  }
}
