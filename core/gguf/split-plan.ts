/** How a model is cut into files of its own, as llama.cpp's gguf-split cuts it. */
import type { GgufModel, MetadataType, MetadataValue, TensorInfo } from "./gguf.ts";
import { MAX_SHARDS } from "./limits.ts";
import { partName } from "./split.ts";
import { inOrder } from "./write.ts";

/** One file of a split model. */
export interface SplitPart {
  /** What the name of the model becomes: `model-00001-of-00003.gguf`. */
  readonly name: string;
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  readonly types: ReadonlyMap<string, MetadataType>;
  readonly tensors: readonly TensorInfo[];
}

/** The most that a file holds. */
export interface SplitLimits {
  readonly bytes?: number;
  readonly tensors?: number;
}

/**
 * Cut a model called `name` into files of whole tensors. The first one has the metadata, all say which they are. Throws
 * `RangeError` for limits that would make too many.
 */
export function planSplit(model: GgufModel, name: string, limits: SplitLimits): SplitPart[] {
  const { bytes = Infinity, tensors: most = Infinity } = limits;
  const parts: TensorInfo[][] = [[]];
  let size = 0;
  for (const info of inOrder(model)) {
    const last = parts.at(-1)!;
    if (last.length > 0 && (size + info.byteLength > bytes || last.length >= most)) {
      parts.push([info]);
      size = info.byteLength;
    } else {
      last.push(info);
      size += info.byteLength;
    }
  }
  if (parts.length > MAX_SHARDS) {
    throw new RangeError(`Cannot split into ${parts.length} files, at most ${MAX_SHARDS} may be`);
  }
  return parts.map((tensors, index) => ({
    name: partName(name, index, parts.length),
    metadata: new Map<string, MetadataValue>([
      ...(index === 0 ? withoutSplit(model.metadata) : []),
      ["split.no", index],
      ["split.count", parts.length],
      ["split.tensors.count", model.tensors.size],
    ]),
    types: SPLIT_TYPES,
    tensors,
  }));
}

const SPLIT_TYPES: ReadonlyMap<string, MetadataType> = new Map<string, MetadataType>([
  ["split.no", "u16"],
  ["split.count", "u16"],
  ["split.tensors.count", "i32"],
]);

/** Metadata of a model in one piece. */
export function withoutSplit(
  metadata: ReadonlyMap<string, MetadataValue>,
): ReadonlyMap<string, MetadataValue> {
  return new Map([...metadata].filter(([key]) => !SPLIT_TYPES.has(key)));
}
