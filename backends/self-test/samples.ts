import { toFloat16 } from "../../core/numeric/float16.ts";
import { byteLength, WEIGHT_TYPES, type WeightType } from "../../core/tensor/dtype.ts";

/**
 * Offsets of the binary16 scales (and minima) in a block of each type: all other bytes of a block may be
 * anything.
 */
export const SCALE_OFFSETS: Readonly<
  Record<Exclude<WeightType, "f32" | "f16" | "bf16">, readonly number[]>
> = {
  q4_0: [0],
  q4_1: [0, 2],
  q5_0: [0],
  q5_1: [0, 2],
  q8_0: [0],
  q2_k: [80, 82],
  q3_k: [108],
  q4_k: [0, 2],
  q5_k: [0, 2],
  q6_k: [208],
  iq4_nl: [0],
  iq4_xs: [0],
  mxfp4: [],
};

/** The scale of a block of MXFP4, which is no binary16 number: 2^-6, of half of its values. */
export const MXFP4_EXPONENT = 121;

/** Bytes of a linear congruential generator (Numerical Recipes' constants): the same everywhere. */
export function createBytes(): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  };
}

/** So many values between -1.75 and 1.75, of variance 1. */
export function sampleValues(random: () => number, count: number): Float32Array {
  return Float32Array.from({ length: count }, () => (random() - 127.5) / 73.9);
}

/** The bytes of a weight of so many values: any quants, scales between 1/64 and 1/32. */
export function sampleWeight(random: () => number, type: WeightType, count: number): Uint8Array {
  const bytes = new Uint8Array(byteLength(type, count));
  const view = new DataView(bytes.buffer);
  if (type === "f32" || type === "f16" || type === "bf16") {
    for (const [i, value] of sampleValues(random, count).entries()) {
      if (type === "f16") view.setUint16(2 * i, toFloat16(value), true);
      else if (type === "f32") view.setFloat32(4 * i, value, true);
      else view.setUint16(2 * i, upperHalf(value), true);
    }
    return bytes;
  }
  for (let i = 0; i < bytes.length; i++) bytes[i] = random();
  for (let block = 0; block < bytes.length; block += WEIGHT_TYPES[type].bytes) {
    for (const offset of SCALE_OFFSETS[type]) view.setUint8(block + offset + 1, 0x24);
    if (type === "mxfp4") bytes[block] = MXFP4_EXPONENT;
  }
  return bytes;
}

/** The upper 16 bits of a float32: bfloat16, rounded towards zero. */
function upperHalf(value: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, value);
  return view.getUint16(0);
}
