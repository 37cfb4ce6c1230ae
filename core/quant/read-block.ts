import { fromFloat16 } from "../numeric/float16.ts";

/** Reads the block that begins at `bytes[at]` and writes its values from `out[to]` on. */
export type ReadBlock = (bytes: Uint8Array, at: number, out: Float32Array, to: number) => void;

/** Two bytes, little-endian. */
export function readBits16(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8);
}

/** A binary16 number: every block's scale is one. */
export function readScale(bytes: Uint8Array, at: number): number {
  return fromFloat16(readBits16(bytes, at));
}

/** A byte as a signed number. */
export function readInt8(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) >> 24;
}
