import type { MetadataType } from "./gguf.ts";

/** GGUF's number of each type of value (`enum gguf_type`). */
export const METADATA_TYPE_IDS: Readonly<Record<MetadataType, number>> = {
  u8: 0,
  i8: 1,
  u16: 2,
  i16: 3,
  u32: 4,
  i32: 5,
  f32: 6,
  bool: 7,
  string: 8,
  u64: 10,
  i64: 11,
  f64: 12,
};

/** GGUF's number of an array, whatever it holds. */
export const ARRAY_ID = 9;

const BY_ID: ReadonlyMap<number, MetadataType> = new Map(
  (Object.keys(METADATA_TYPE_IDS) as MetadataType[]).map((type) => [METADATA_TYPE_IDS[type], type]),
);

/** The type of a number; `undefined` for arrays and for numbers that are none of GGUF's. */
export function metadataTypeOf(id: number): MetadataType | undefined {
  return BY_ID.get(id);
}
