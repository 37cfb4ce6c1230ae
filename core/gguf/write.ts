import { byteLength, WEIGHT_TYPES } from "../tensor/dtype.ts";
import { alignUp, ByteWriter } from "./byte-writer.ts";
import type { GgufModel, MetadataType, MetadataValue, TensorInfo } from "./gguf.ts";
import { ARRAY_ID, METADATA_TYPE_IDS } from "./metadata-types.ts";
import { quote, unsupported } from "./problem.ts";

/** Where a file goes, from its first byte to its last. */
export interface GgufSink {
  write(bytes: Uint8Array): Promise<void>;
}

/** What is written of a model; all of it unless said otherwise. */
export interface WriteGgufOptions {
  /** Another set of metadata, e.g. of one part of a split file, with the types that the model's lack. */
  readonly metadata?: ReadonlyMap<string, MetadataValue>;
  readonly types?: ReadonlyMap<string, MetadataType>;
  readonly tensors?: readonly TensorInfo[];
  /** Told of the bytes of tensors as they are written. */
  readonly onBytes?: (count: number) => void;
  readonly signal?: AbortSignal;
}

/** Bytes that are read and written at once. */
const CHUNK_BYTES: number = 4 * 2 ** 20;
/** GGUF's usual one; what a model had before does not matter to its readers. */
const ALIGNMENT = 32;
const ALIGNMENT_KEY = "general.alignment";

/**
 * Write a model as a GGUF file of version 3, tensors in the order of their places. Rejects with `MODEL_UNSUPPORTED`
 * for metadata that cannot be written, and as the model's `read` and the sink do.
 */
export async function writeGguf(
  model: GgufModel,
  sink: GgufSink,
  options: WriteGgufOptions = {},
): Promise<void> {
  const { onBytes, signal } = options;
  const tensors = options.tensors ?? inOrder(model);
  const header = new ByteWriter();
  writeHeader(header, model, tensors, options);
  await sink.write(header.finish());
  const chunk = new Uint8Array(CHUNK_BYTES);
  for (const [index, info] of tensors.entries()) {
    for (let at = 0; at < info.byteLength; at += CHUNK_BYTES) {
      signal?.throwIfAborted();
      const bytes = chunk.subarray(0, Math.min(CHUNK_BYTES, info.byteLength - at));
      await model.read(info, at, bytes);
      await sink.write(bytes);
      onBytes?.(bytes.byteLength);
    }
    const padding = alignUp(info.byteLength, ALIGNMENT) - info.byteLength;
    if (index < tensors.length - 1 && padding > 0) await sink.write(new Uint8Array(padding));
  }
}

/** A model's tensors as they lie in its files: a source that only goes forward will do. */
export function inOrder(model: GgufModel): TensorInfo[] {
  return [...model.tensors.values()].toSorted((a, b) => a.shard - b.shard || a.offset - b.offset);
}

function writeHeader(
  out: ByteWriter,
  model: GgufModel,
  tensors: readonly TensorInfo[],
  { metadata = model.metadata, types }: WriteGgufOptions,
): void {
  const entries = [...metadata].filter(([key]) => key !== ALIGNMENT_KEY);
  out.bytes(new TextEncoder().encode("GGUF"));
  out.u32(3);
  out.u64(tensors.length);
  out.u64(entries.length);
  for (const [key, value] of entries) {
    out.text(key);
    writeValue(out, key, value, types?.get(key) ?? model.types?.get(key) ?? guess(value));
  }
  let offset = 0;
  for (const { name, shape, type, byteLength: length } of tensors) {
    out.text(name);
    out.u32(shape.length);
    for (const size of shape.toReversed()) out.u64(size);
    out.u32(WEIGHT_TYPES[type].id);
    out.u64(offset);
    const volume = shape.reduce((product, size) => product * size, 1);
    if (length !== byteLength(type, volume)) throw new RangeError(`${name} has ${length} bytes`);
    offset = alignUp(offset + length, ALIGNMENT);
  }
  // A file without tensors has no data section, so nothing is padded.
  if (tensors.length > 0) out.pad(ALIGNMENT);
}

/** For models that nobody read from a file: the type that converters usually give. */
function guess(value: MetadataValue): MetadataType | undefined {
  if (typeof value === "object") {
    if (value instanceof Int32Array) return "i32";
    if (value instanceof Float32Array) return "f32";
    const [first] = value;
    return typeof first === "object" || first === undefined ? undefined : guess(first);
  }
  if (typeof value === "string") return "string";
  if (typeof value === "boolean") return "bool";
  return Number.isInteger(value) ? (value < 0 ? "i32" : "u32") : "f32";
}

function writeValue(
  out: ByteWriter,
  key: string,
  value: MetadataValue,
  type: MetadataType | undefined,
): void {
  if (type === undefined) {
    throw unsupported(quote(key), "arrays of arrays, or of nothing, cannot be written down again");
  }
  if (typeof value !== "object") {
    out.u32(METADATA_TYPE_IDS[type]);
    writeScalar(out, type, value);
    return;
  }
  out.u32(ARRAY_ID);
  out.u32(METADATA_TYPE_IDS[type]);
  out.u64(value.length);
  for (const item of value) writeScalar(out, type, item as number | boolean | string);
}

function writeScalar(out: ByteWriter, type: MetadataType, value: number | boolean | string): void {
  switch (type) {
    case "string":
      return out.text(String(value));
    case "bool":
      return out.u8(value === true ? 1 : 0);
    case "u8":
    case "i8":
      return out.u8(Number(value));
    case "u16":
    case "i16":
      return out.u16(Number(value));
    case "u32":
    case "i32":
      return out.u32(Number(value));
    case "u64":
    case "i64":
      return out.u64(Number(value));
    case "f32":
      return out.f32(Number(value));
    case "f64":
      return out.f64(Number(value));
  }
}
