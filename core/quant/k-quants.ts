/**
 * The k-quants: super-blocks of 256 values, cut into groups of 16 or 32 with a small integer scale
 * (and minimum) each, which one binary16 `d` (and `dmin`) per super-block multiplies.
 *
 * Quants narrower than a byte are interleaved for vector loads: neighbouring values lie in
 * neighbouring bytes, and what shares a byte is 32 values apart.
 */
import { readInt8, readScale } from "./read-block.ts";

/**
 * Q2_K, 84 bytes: 16 bytes (low nibble the scale, high nibble the minimum of 16 values), 64 bytes of
 * 2-bit quants, d, dmin. value = d · scale · q - dmin · minimum
 *
 * Each half of 128 values has 32 bytes: value l + 32 j lies in bits 2j of byte l.
 */
export function readQ2K(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const d = readScale(bytes, at + 80);
  const dmin = readScale(bytes, at + 82);
  for (let i = 0; i < 256; i++) {
    const half = i >> 7;
    const shift = 2 * ((i >> 5) & 3);
    const group = bytes[at + (i >> 4)]!;
    const q = (bytes[at + 16 + 32 * half + (i & 31)]! >> shift) & 3;
    out[to + i] = d * (group & 15) * q - dmin * (group >> 4);
  }
}

/**
 * Q3_K, 110 bytes: 32 bytes of third bits, 64 bytes of low pairs as in Q2_K, 12 bytes of scales, d.
 * value = d · (scale - 32) · (q - 4)
 *
 * Value l + 32 k has its third bit in bit k of byte l. The 16 scales of 6 bits: the low four bits are
 * the nibbles of bytes 0-7 (scale j low, scale j + 8 high), the high pairs lie in bytes 8-11 (scale
 * j + 4 k in bits 2k of byte 8 + j).
 */
export function readQ3K(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const d = readScale(bytes, at + 108);
  for (let i = 0; i < 256; i++) {
    const l = i & 31;
    const third = (bytes[at + l]! >> (i >> 5)) & 1;
    const low = (bytes[at + 32 + 32 * (i >> 7) + l]! >> (2 * ((i >> 5) & 3))) & 3;
    out[to + i] = d * (scaleQ3K(bytes, at + 96, i >> 4) - 32) * ((low | (third << 2)) - 4);
  }
}

function scaleQ3K(bytes: Uint8Array, at: number, j: number): number {
  const low = (bytes[at + (j & 7)]! >> (4 * (j >> 3))) & 15;
  const high = (bytes[at + 8 + (j & 3)]! >> (2 * (j >> 2))) & 3;
  return low | (high << 4);
}

/**
 * Q4_K, 144 bytes: d, dmin, 12 bytes of scales and minima (of 32 values each), 128 bytes of nibbles.
 * value = d · scale · q - dmin · minimum
 *
 * Each quarter of 64 values has 32 bytes: value l in the low, value l + 32 in the high nibble of byte l.
 */
export function readQ4K(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const d = readScale(bytes, at);
  const dmin = readScale(bytes, at + 2);
  for (let group = 0; group < 8; group++) {
    const scale = d * groupScale(bytes, at + 4, group);
    const minimum = dmin * groupMinimum(bytes, at + 4, group);
    for (let l = 0; l < 32; l++) {
      const q = (bytes[at + 16 + 32 * (group >> 1) + l]! >> (4 * (group & 1))) & 15;
      out[to + 32 * group + l] = scale * q - minimum;
    }
  }
}

/**
 * Q5_K, 176 bytes: d, dmin, scales and minima as in Q4_K, 32 bytes of fifth bits, 128 bytes of nibbles
 * as in Q4_K. value = d · scale · q - dmin · minimum
 *
 * Value l of group k has its fifth bit in bit k of byte l.
 */
export function readQ5K(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const d = readScale(bytes, at);
  const dmin = readScale(bytes, at + 2);
  for (let group = 0; group < 8; group++) {
    const scale = d * groupScale(bytes, at + 4, group);
    const minimum = dmin * groupMinimum(bytes, at + 4, group);
    for (let l = 0; l < 32; l++) {
      const low = (bytes[at + 48 + 32 * (group >> 1) + l]! >> (4 * (group & 1))) & 15;
      const fifth = (bytes[at + 16 + l]! >> group) & 1;
      out[to + 32 * group + l] = scale * (low | (fifth << 4)) - minimum;
    }
  }
}

/**
 * Scale of 32 values in Q4_K and Q5_K: eight scales and eight minima of 6 bits in 12 bytes. Bytes 0-3
 * hold the first four scales in their low six bits, bytes 4-7 the first four minima; the other four
 * have their low nibbles in bytes 8-11 (scale low, minimum high) and their high pairs in the top two
 * bits of bytes 0-3 (scales) and 4-7 (minima).
 */
function groupScale(bytes: Uint8Array, at: number, group: number): number {
  if (group < 4) return bytes[at + group]! & 63;
  return (bytes[at + group + 4]! & 15) | ((bytes[at + group - 4]! >> 6) << 4);
}

function groupMinimum(bytes: Uint8Array, at: number, group: number): number {
  if (group < 4) return bytes[at + group + 4]! & 63;
  return (bytes[at + group + 4]! >> 4) | ((bytes[at + group]! >> 6) << 4);
}

/**
 * Q6_K, 210 bytes: 128 bytes of low nibbles, 64 bytes of high pairs, 16 signed scales (of 16 values
 * each), d. value = d · scale · (q - 32)
 *
 * Each half of 128 values has 64 bytes of nibbles (value l in the low, value l + 64 in the high nibble
 * of byte l) and 32 bytes of pairs (value l + 32 j in bits 2j of byte l).
 */
export function readQ6K(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const d = readScale(bytes, at + 208);
  for (let i = 0; i < 256; i++) {
    const half = i >> 7;
    const low = (bytes[at + 64 * half + (i & 63)]! >> (4 * ((i >> 6) & 1))) & 15;
    const high = (bytes[at + 128 + 32 * half + (i & 31)]! >> (2 * ((i >> 5) & 3))) & 3;
    const scale = readInt8(bytes, at + 192 + (i >> 4));
    out[to + i] = d * scale * ((low | (high << 4)) - 32);
  }
}
