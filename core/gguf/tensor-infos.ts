/** Tensor table of a GGUF header: names, shapes, types and places. */
import { WEIGHT_TYPES } from "../tensor/dtype.ts";
import type { WeightType } from "../tensor/dtype.ts";
import type { Cursor } from "./cursor.ts";
import { MAX_DIMENSIONS, MAX_TENSORS, MAX_TENSOR_NAME_BYTES } from "./limits.ts";
import { malformed, quote, unsupported } from "./problem.ts";
import { checkCount, readName } from "./values.ts";

/** A tensor as the table has it, sizes checked; its place is not yet. */
export interface TensorEntry {
  readonly name: string;
  readonly type: WeightType;
  /** Slowest dimension first. */
  readonly shape: readonly number[];
  readonly byteLength: number;
  /** From the beginning of the data on. */
  readonly offset: number;
}

const TYPES_BY_ID: ReadonlyMap<number, WeightType> = new Map(
  (Object.keys(WEIGHT_TYPES) as WeightType[]).map((type) => [WEIGHT_TYPES[type].id, type]),
);

/** GGML's other types, so that an error can say which one a file would need. */
const UNSUPPORTED_TYPES: ReadonlyMap<number, string> = new Map([
  [9, "q8_1"],
  [15, "q8_k"],
  [16, "iq2_xxs"],
  [17, "iq2_xs"],
  [18, "iq3_xxs"],
  [19, "iq1_s"],
  [21, "iq3_s"],
  [22, "iq2_s"],
  [24, "i8"],
  [25, "i16"],
  [26, "i32"],
  [27, "i64"],
  [28, "f64"],
  [29, "iq1_m"],
  [34, "tq1_0"],
  [35, "tq2_0"],
]);

/** Least bytes of an entry: an empty name, one dimension, type and offset. */
const LEAST_ENTRY_BYTES = 8 + 4 + 8 + 4 + 8;

/**
 * The table at the cursor. Rejects with `MODEL_MALFORMED` for anything the format does not allow, with
 * `MODEL_UNSUPPORTED` for types that cannot be read.
 */
export async function readTensorInfos(cursor: Cursor, count: number): Promise<TensorEntry[]> {
  checkCount(cursor, () => "number of tensors", count, MAX_TENSORS, LEAST_ENTRY_BYTES);
  const entries: TensorEntry[] = [];
  for (let i = 0; i < count; i++) {
    const name = await readName(cursor, `name of tensor ${i}`, MAX_TENSOR_NAME_BYTES);
    entries.push(await readEntry(cursor, name));
  }
  return entries;
}

async function readEntry(cursor: Cursor, name: string): Promise<TensorEntry> {
  if (!cursor.ready(4)) await cursor.fill(4);
  const dimensions = cursor.u32();
  if (dimensions < 1 || dimensions > MAX_DIMENSIONS) {
    throw malformed(
      cursor.file,
      `tensor ${quote(name)} has ${dimensions} dimensions, 1 to ${MAX_DIMENSIONS} may be`,
    );
  }
  const rest = 8 * dimensions + 4 + 8;
  if (!cursor.ready(rest)) await cursor.fill(rest);
  const shape: number[] = [];
  let values = 1;
  for (let i = 0; i < dimensions; i++) {
    const size = cursor.u64();
    // Dividing before multiplying: the product of checked sizes can never go beyond 2^53 unseen.
    if (size < 1 || size > Math.floor(Number.MAX_SAFE_INTEGER / values)) {
      const why = size < 1 ? "nothing" : "more than 2^53 values";
      throw malformed(cursor.file, `dimension ${i} of tensor ${quote(name)} is ${size}: ${why}`);
    }
    values *= size;
    shape.push(size);
  }
  const id = cursor.u32();
  const offset = cursor.u64();

  const type = TYPES_BY_ID.get(id);
  if (type === undefined) {
    const known = UNSUPPORTED_TYPES.get(id) ?? "unknown";
    const supported = Object.keys(WEIGHT_TYPES).join(", ");
    throw unsupported(
      cursor.file,
      `tensor ${quote(name)} has type ${known} (${id}); supported are ${supported}`,
    );
  }
  const block = WEIGHT_TYPES[type];
  const columns = shape[0]!;
  if (columns % block.values !== 0) {
    throw malformed(
      cursor.file,
      `rows of tensor ${quote(name)} have ${columns} values: ${type} needs a multiple of ${block.values}`,
    );
  }
  // May round beyond 2^53, where the comparison with the file's size refuses it all the same.
  const byteLength = (values / block.values) * block.bytes;
  return { name, type, shape: shape.toReversed(), byteLength, offset };
}
