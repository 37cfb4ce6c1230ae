/** The elements of a tensor of a checkpoint, as a type that weights may have. */
import { unsupported, quote } from "../gguf/problem.ts";
import type { ByteSource } from "../gguf/source.ts";
import { fromBfloat16, fromFloat16 } from "../numeric/float16.ts";
import { fromFloat8E4M3, fromFloat8E5M2 } from "../numeric/float8.ts";
import type { SafetensorsEntry } from "../safetensors/header.ts";
import type { WeightType } from "../tensor/dtype.ts";
import { widenedReader, type TensorReader } from "./tensor-reader.ts";

/** A tensor and the file that it lies in. */
export interface CheckpointEntry extends SafetensorsEntry {
  readonly shard: number;
}

/** Types that are taken as they are. */
const PLAIN_TYPES: ReadonlyMap<string, WeightType> = new Map([
  ["F32", "f32"],
  ["F16", "f16"],
  ["BF16", "bf16"],
]);

/** Types of eight bits: every value is a binary16 number too. */
const EIGHT_BITS: ReadonlyMap<string, (bits: number) => number> = new Map([
  ["F8_E4M3", fromFloat8E4M3],
  ["F8_E5M2", fromFloat8E5M2],
]);

/**
 * A reader of a tensor. Numbers of eight bits become binary16, with the one scale that their tensor may have.
 * Rejects with `MODEL_UNSUPPORTED` for other types.
 */
export async function openElements(
  shards: readonly ByteSource[],
  entry: CheckpointEntry,
  scaleEntry: CheckpointEntry | undefined,
): Promise<{ readonly type: WeightType; readonly read: TensorReader }> {
  const source = shards[entry.shard]!;
  const read: TensorReader = (offset, into) => source.read(entry.offset + offset, into);
  const plain = PLAIN_TYPES.get(entry.type);
  if (plain !== undefined && scaleEntry === undefined) return { type: plain, read };
  const eight = EIGHT_BITS.get(entry.type);
  if (eight === undefined) {
    const known = [...PLAIN_TYPES.keys(), ...EIGHT_BITS.keys()].join(", ");
    throw unsupported(
      source.name,
      `tensor ${quote(entry.name)} has type ${entry.type}${scaleEntry === undefined ? "" : " and a scale"}; supported are ${known}`,
    );
  }
  const scale = scaleEntry === undefined ? 1 : await readScalar(shards, scaleEntry);
  const values = Float32Array.from({ length: 256 }, (_, bits) => eight(bits) * scale);
  return { type: "f16", read: widenedReader(read, values) };
}

/** One number for a whole tensor. Rejects with `MODEL_UNSUPPORTED` for a scale of rows or blocks. */
async function readScalar(shards: readonly ByteSource[], entry: CheckpointEntry): Promise<number> {
  const source = shards[entry.shard]!;
  const values = entry.shape.reduce((product, size) => product * size, 1);
  if (values !== 1 || !PLAIN_TYPES.has(entry.type)) {
    throw unsupported(
      source.name,
      `${quote(entry.name)} is ${entry.type} [${entry.shape.join(", ")}]: only one scale for a whole tensor is supported`,
    );
  }
  const bytes = new Uint8Array(entry.byteLength);
  await source.read(entry.offset, bytes);
  const view = new DataView(bytes.buffer);
  if (entry.type === "F32") return view.getFloat32(0, true);
  const bits = view.getUint16(0, true);
  return entry.type === "F16" ? fromFloat16(bits) : fromBfloat16(bits);
}
