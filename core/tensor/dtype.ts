/** Element types, named as GGML names them in lower case, so that a GGUF file needs no translation. */

/** Size of one block of a type: `values` elements are stored in `bytes` bytes. */
export interface BlockLayout {
  /** GGML's number for the type in a GGUF file (ggml.h, `enum ggml_type`). */
  readonly id: number;
  readonly values: number;
  readonly bytes: number;
}

/** Element type of a weight. */
export type WeightType =
  | "f32"
  | "f16"
  | "bf16"
  | "q4_0"
  | "q4_1"
  | "q5_0"
  | "q5_1"
  | "q8_0"
  | "q2_k"
  | "q3_k"
  | "q4_k"
  | "q5_k"
  | "q6_k"
  | "iq4_nl"
  | "iq4_xs"
  | "mxfp4";

/** Every weight type that sirocco reads. A row is always a whole number of blocks. */
export const WEIGHT_TYPES: Readonly<Record<WeightType, BlockLayout>> = {
  f32: { id: 0, values: 1, bytes: 4 },
  f16: { id: 1, values: 1, bytes: 2 },
  bf16: { id: 30, values: 1, bytes: 2 },
  q4_0: { id: 2, values: 32, bytes: 18 },
  q4_1: { id: 3, values: 32, bytes: 20 },
  q5_0: { id: 6, values: 32, bytes: 22 },
  q5_1: { id: 7, values: 32, bytes: 24 },
  q8_0: { id: 8, values: 32, bytes: 34 },
  q2_k: { id: 10, values: 256, bytes: 84 },
  q3_k: { id: 11, values: 256, bytes: 110 },
  q4_k: { id: 12, values: 256, bytes: 144 },
  q5_k: { id: 13, values: 256, bytes: 176 },
  q6_k: { id: 14, values: 256, bytes: 210 },
  iq4_nl: { id: 20, values: 32, bytes: 18 },
  iq4_xs: { id: 23, values: 256, bytes: 136 },
  mxfp4: { id: 39, values: 32, bytes: 17 },
};

/** Bytes of `values` consecutive elements. Throws `RangeError` unless they are whole blocks. */
export function byteLength(type: WeightType, values: number): number {
  const block = WEIGHT_TYPES[type];
  if (values % block.values !== 0) {
    throw new RangeError(`Cannot store ${values} values as ${type}: blocks hold ${block.values}`);
  }
  return (values / block.values) * block.bytes;
}
