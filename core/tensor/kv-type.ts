/**
 * How keys and values are cached. `f32` keeps what was computed; `f16` rounds to IEEE binary16; `q8_0`
 * keeps 8-bit integers with a scale for 32 consecutive dimensions of a head at one position.
 */
export type KvType = "f32" | "f16" | "q8_0";

/** Every type, the most exact first. */
export const KV_TYPES: readonly KvType[] = ["f32", "f16", "q8_0"];

/** Values of `q8_0` that share a scale; the last scale of a head may serve fewer. */
export const KV_GROUP = 32;

/** Bytes of one head's keys (or values) at one position. */
export function kvHeadBytes(type: KvType, headDim: number): number {
  if (type === "q8_0") return headDim + 2 * Math.ceil(headDim / KV_GROUP);
  return headDim * (type === "f16" ? 2 : 4);
}
