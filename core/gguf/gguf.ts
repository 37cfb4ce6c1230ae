import type { WeightType } from "../tensor/dtype.ts";

/** A metadata value. Integers of 64 bits are numbers, refused beyond 2^53. */
export type MetadataValue = number | boolean | string | MetadataArray;

/** Arrays are kept as compact as they come. */
export type MetadataArray =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array
  | readonly number[]
  | readonly boolean[]
  | readonly string[]
  | readonly MetadataArray[];

/** GGUF's types of metadata values (`enum gguf_type`), but for arrays. */
export type MetadataType =
  | "u8"
  | "i8"
  | "u16"
  | "i16"
  | "u32"
  | "i32"
  | "f32"
  | "bool"
  | "string"
  | "u64"
  | "i64"
  | "f64";

/** Where a tensor lies and what it is. */
export interface TensorInfo {
  readonly name: string;
  readonly type: WeightType;
  /** Slowest dimension first, `[rows, columns]`: the reverse of the file's order. */
  readonly shape: readonly number[];
  readonly byteLength: number;
  /** Which file of a split model holds it, and where. */
  readonly shard: number;
  readonly offset: number;
}

/** A checked model, from a GGUF file or presented as one: every tensor's bytes exist. */
export interface GgufModel {
  /** The version of a GGUF file; 0 where the model has another form. */
  readonly version: number;
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  /** The type of each value, of an array its elements': for who writes the model down again. */
  readonly types?: ReadonlyMap<string, MetadataType>;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** Bytes of all shards. */
  readonly byteLength: number;
  /** Fill `into` from byte `offset` of the tensor on. */
  read(tensor: TensorInfo, offset: number, into: Uint8Array): Promise<void>;
  close(): Promise<void>;
}
