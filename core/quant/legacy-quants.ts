/**
 * The older types: blocks of 32 values with one scale `d`, and in the `_1` types a minimum `m`.
 *
 * Sixteen bytes hold the low four bits of the quants: value j in the low nibble of byte j, value
 * j + 16 in its high nibble. Where a type has fifth bits, bit j of a 32-bit word belongs to value j.
 */
import { readInt8, readScale } from "./read-block.ts";

const HALF = 16;

/** Q4_0, 18 bytes: d, 16 bytes of nibbles. value = d · (q - 8) */
export function readQ40(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const d = readScale(bytes, at);
  for (let j = 0; j < HALF; j++) {
    const pair = bytes[at + 2 + j]!;
    out[to + j] = d * ((pair & 15) - 8);
    out[to + j + HALF] = d * ((pair >> 4) - 8);
  }
}

/** Q4_1, 20 bytes: d, m, 16 bytes of nibbles. value = d · q + m */
export function readQ41(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const d = readScale(bytes, at);
  const m = readScale(bytes, at + 2);
  for (let j = 0; j < HALF; j++) {
    const pair = bytes[at + 4 + j]!;
    out[to + j] = d * (pair & 15) + m;
    out[to + j + HALF] = d * (pair >> 4) + m;
  }
}

/** Q5_0, 22 bytes: d, 4 bytes of fifth bits, 16 bytes of nibbles. value = d · (q - 16) */
export function readQ50(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const d = readScale(bytes, at);
  for (let j = 0; j < HALF; j++) {
    const pair = bytes[at + 6 + j]!;
    out[to + j] = d * (((pair & 15) | fifthBit(bytes, at + 2, j)) - 16);
    out[to + j + HALF] = d * (((pair >> 4) | fifthBit(bytes, at + 2, j + HALF)) - 16);
  }
}

/** Q5_1, 24 bytes: d, m, 4 bytes of fifth bits, 16 bytes of nibbles. value = d · q + m */
export function readQ51(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const d = readScale(bytes, at);
  const m = readScale(bytes, at + 2);
  for (let j = 0; j < HALF; j++) {
    const pair = bytes[at + 8 + j]!;
    out[to + j] = d * ((pair & 15) | fifthBit(bytes, at + 4, j)) + m;
    out[to + j + HALF] = d * ((pair >> 4) | fifthBit(bytes, at + 4, j + HALF)) + m;
  }
}

/** Q8_0, 34 bytes: d, 32 signed bytes. value = d · q */
export function readQ80(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const d = readScale(bytes, at);
  for (let j = 0; j < 2 * HALF; j++) {
    out[to + j] = d * readInt8(bytes, at + 2 + j);
  }
}

/** Bit j of the word at `at`, in the place of the fifth bit. */
function fifthBit(bytes: Uint8Array, at: number, j: number): number {
  return ((bytes[at + (j >> 3)]! >> (j & 7)) & 1) << 4;
}
