/** 8-bit floats as safetensors files hold them (Micikevicius et al. 2022, arXiv:2209.05433). */
import { fromFloat16 } from "./float16.ts";

/**
 * The value of an E4M3 number: four bits of exponent (bias 7), three of fraction, no infinities; all ones but the
 * sign is NaN.
 */
export function fromFloat8E4M3(bits: number): number {
  const sign = bits & 0x80 ? -1 : 1;
  const exponent = (bits >> 3) & 15;
  const fraction = bits & 7;
  if (exponent === 15 && fraction === 7) return NaN;
  if (exponent === 0) return sign * fraction * 2 ** -9;
  return sign * (1 + fraction / 8) * 2 ** (exponent - 7);
}

/** The value of an E5M2 number: the upper half of a binary16 number. */
export function fromFloat8E5M2(bits: number): number {
  return fromFloat16(bits << 8);
}
