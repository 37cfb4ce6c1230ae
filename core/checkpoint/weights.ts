/** The tensors of a checkpoint under the names, and in the order of rows, that a GGUF file has. */
import type { TensorInfo } from "../gguf/gguf.ts";
import { MAX_TENSORS } from "../gguf/limits.ts";
import { malformed, quote, unsupported } from "../gguf/problem.ts";
import type { ByteSource } from "../gguf/source.ts";
import { littleEndian } from "../numeric/little-endian.ts";
import { byteLength, type WeightType } from "../tensor/dtype.ts";
import { REDUNDANT } from "./architectures.ts";
import type { CheckpointConfig } from "./config.ts";
import { openElements, type CheckpointEntry } from "./elements.ts";
import { placeOf } from "./place.ts";
import {
  constantReader,
  float32Reader,
  pairedReader,
  stackedReader,
  type TensorReader,
} from "./tensor-reader.ts";

/** Tensors as a GGUF file would have them. */
export interface CheckpointTensors {
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** By the same names. */
  readonly readers: ReadonlyMap<string, TensorReader>;
}

/** What a scale of eight-bit weights ends with behind the weight's own name, and one of activations. */
const WEIGHT_SCALE = /_scale(?:_inv)?$/;
const ACTIVATION_SCALE = /\.(?:input|activation|output|k|v|q)_scale(?:_inv)?$/;

/**
 * Find a place for every tensor. Rejects with `MODEL_UNSUPPORTED` for one that has none, since without it answers
 * would be nonsense, or whose type cannot be read.
 */
export async function placeTensors(
  shards: readonly ByteSource[],
  entries: readonly CheckpointEntry[],
  config: CheckpointConfig,
): Promise<CheckpointTensors> {
  const { groups, scales } = groupByPlace(shards, entries, config);
  const tensors = new Map<string, TensorInfo>();
  const readers = new Map<string, TensorReader>();
  for (const [name, group] of groups) {
    const { info, read } = await openGroup(shards, name, group, scales, config);
    tensors.set(name, info);
    readers.set(name, read);
  }
  const { divisors } = config;
  if (divisors !== undefined) addConstant("rope_freqs.weight", divisors, tensors, readers);
  if (tensors.size > MAX_TENSORS) {
    throw malformed(
      shards[0]!.name,
      `it has ${tensors.size} tensors, at most ${MAX_TENSORS} may be`,
    );
  }
  return { tensors, readers };
}

/** What becomes one tensor: one of the checkpoint's, or one of each expert. */
type Group = ReadonlyMap<number, CheckpointEntry>;

interface Grouped {
  readonly groups: ReadonlyMap<string, Group>;
  /** Scales of eight-bit weights, by the names of these. */
  readonly scales: ReadonlyMap<string, CheckpointEntry>;
}

function groupByPlace(
  shards: readonly ByteSource[],
  entries: readonly CheckpointEntry[],
  { architecture, tied }: CheckpointConfig,
): Grouped {
  const scales = new Map<string, CheckpointEntry>();
  const groups = new Map<string, Map<number, CheckpointEntry>>();
  for (const entry of entries) {
    if (REDUNDANT.test(entry.name) || ACTIVATION_SCALE.test(entry.name)) continue;
    if (architecture.ignored?.test(entry.name) === true) continue;
    if (WEIGHT_SCALE.test(entry.name)) {
      scales.set(entry.name.replace(WEIGHT_SCALE, ""), entry);
      continue;
    }
    const file = shards[entry.shard]!.name;
    const place = placeOf(entry.name, architecture);
    if (place === undefined) {
      throw unsupported(file, `tensor ${quote(entry.name)} has no place in a model`);
    }
    if (place.name === "output.weight" && tied) continue;
    const group = groups.get(place.name) ?? new Map<number, CheckpointEntry>();
    const part = place.expert ?? 0;
    if (group.has(part)) throw malformed(file, `tensor ${quote(entry.name)} occurs twice`);
    groups.set(place.name, group.set(part, entry));
  }
  return { groups, scales };
}

async function openGroup(
  shards: readonly ByteSource[],
  name: string,
  group: Group,
  scales: Grouped["scales"],
  config: CheckpointConfig,
): Promise<{ readonly info: TensorInfo; readonly read: TensorReader }> {
  const first = group.get(0);
  if (first === undefined) throw malformed(shards[0]!.name, `expert 0 of ${name} is missing`);
  const { shape, shard, offset } = first;
  const file = shards[shard]!.name;
  const values = shape.reduce((product, size) => product * size, 1);
  if (shape.length === 0 || values === 0) {
    throw malformed(file, `tensor ${quote(first.name)} is empty`);
  }
  let type: WeightType | undefined;
  const reads: TensorReader[] = [];
  for (let expert = 0; expert < group.size; expert++) {
    const entry = group.get(expert);
    if (entry === undefined || !isSame(entry.shape, shape)) {
      throw malformed(file, `expert ${expert} of ${name} is missing or of another shape`);
    }
    const part = await openElements(shards, entry, scales.get(entry.name));
    type ??= part.type;
    if (part.type !== type) throw unsupported(file, `the experts of ${name} differ in type`);
    reads.push(paired(name, first, part.type, part.read, config));
  }
  const addsOne = config.architecture.normsAddOne === true && name.endsWith("norm.weight");
  if (shape.length === 1 && reads.length === 1 && (type !== "f32" || addsOne)) {
    // Norms and biases are float32 in every GGUF file, whatever the matrices are.
    reads[0] = float32Reader(reads[0]!, type!, values, addsOne ? 1 : 0);
    type = "f32";
  }
  const each = byteLength(type!, values);
  return {
    info: {
      name,
      type: type!,
      shape: name.includes("_exps.") ? [reads.length, ...shape] : shape,
      byteLength: each * reads.length,
      shard,
      offset,
    },
    read: reads.length === 1 ? reads[0]! : stackedReader(reads, each),
  };
}

function isSame(one: readonly number[], other: readonly number[]): boolean {
  return one.length === other.length && one.every((size, i) => size === other[i]);
}

/** With its rows in pairs, where it is a projection of queries or keys. */
function paired(
  name: string,
  { shape, name: original }: CheckpointEntry,
  type: WeightType,
  read: TensorReader,
  { architecture, headDim }: CheckpointConfig,
): TensorReader {
  if (architecture.paired !== true || !/\.attn_[qk]\.(weight|bias)$/.test(name)) return read;
  const [rows = 0, columns = 1] = shape;
  if (headDim < 2 || headDim % 2 !== 0 || rows % headDim !== 0) {
    throw malformed(original, `its ${rows} rows are no whole heads of ${headDim}`);
  }
  return pairedReader(read, byteLength(type, columns), headDim);
}

function addConstant(
  name: string,
  values: Float32Array,
  tensors: Map<string, TensorInfo>,
  readers: Map<string, TensorReader>,
): void {
  const bytes = littleEndian(values);
  const shape = [values.length];
  tensors.set(name, {
    name,
    type: "f32",
    shape,
    byteLength: bytes.byteLength,
    shard: 0,
    offset: 0,
  });
  readers.set(name, constantReader(bytes));
}
