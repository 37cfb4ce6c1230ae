import { fromFloat16, toFloat16 } from "../numeric/float16.ts";

/** Write two bytes, little-endian. */
export function writeBits16(bits: number, out: Uint8Array, at: number): void {
  out[at] = bits & 255;
  out[at + 1] = bits >> 8;
}

/** Largest finite binary16 number: no scale may round to infinity. */
const MOST_HALF = 65_504;

/** The binary16 number nearest to a value; finite values stay finite. */
export function toHalf(value: number): number {
  return fromFloat16(toFloat16(Math.min(Math.max(value, -MOST_HALF), MOST_HALF)));
}

/** Write a value that is a binary16 number. */
export function writeHalf(value: number, out: Uint8Array, at: number): void {
  writeBits16(toFloat16(value), out, at);
}
