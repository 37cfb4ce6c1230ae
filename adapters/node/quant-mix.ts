import type { GgufModel } from "../../core/gguf/gguf.ts";
import type { WeightType } from "../../core/tensor/dtype.ts";

/** How many tensors of a model have a type, and their bytes. */
export interface QuantShare {
  readonly type: WeightType;
  readonly tensors: number;
  readonly bytes: number;
}

/**
 * `general.file_type` as llama.cpp numbers it (llama.h, `enum llama_ftype`): what a file calls itself,
 * which for small models may be far from what its tensors are.
 */
const FILE_TYPES: Readonly<Record<number, string>> = {
  0: "f32",
  1: "f16",
  2: "q4_0",
  3: "q4_1",
  7: "q8_0",
  8: "q5_0",
  9: "q5_1",
  10: "q2_k",
  11: "q3_k_s",
  12: "q3_k_m",
  13: "q3_k_l",
  14: "q4_k_s",
  15: "q4_k_m",
  16: "q5_k_s",
  17: "q5_k_m",
  18: "q6_k",
  25: "iq4_nl",
  30: "iq4_xs",
  32: "bf16",
  38: "mxfp4",
};

/** The types of a model's tensors, the one with most bytes first. */
export function quantMix(gguf: GgufModel): readonly QuantShare[] {
  const shares = new Map<WeightType, QuantShare>();
  for (const { type, byteLength } of gguf.tensors.values()) {
    const { tensors, bytes } = shares.get(type) ?? { tensors: 0, bytes: 0 };
    shares.set(type, { type, tensors: tensors + 1, bytes: bytes + byteLength });
  }
  return [...shares.values()].toSorted((a, b) => b.bytes - a.bytes);
}

/** One name for a model's quantisation: what the file says, else the type of most of its bytes. */
export function quantName(gguf: GgufModel): string {
  const fileType = gguf.metadata.get("general.file_type");
  const named = typeof fileType === "number" ? FILE_TYPES[fileType] : undefined;
  return named ?? quantMix(gguf)[0]?.type ?? "unknown";
}
