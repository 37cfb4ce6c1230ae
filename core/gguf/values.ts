/** Metadata of a GGUF header: `count` times a key, the type of its value, and the value. */
import type { Cursor } from "./cursor.ts";
import type { MetadataArray, MetadataType, MetadataValue } from "./gguf.ts";
import {
  MAX_ARRAY_DEPTH,
  MAX_ARRAY_ELEMENTS,
  MAX_KEY_BYTES,
  MAX_METADATA_ENTRIES,
  MAX_NESTED_ARRAYS,
  MAX_STRING_BYTES,
  MAX_TOTAL_ELEMENTS,
} from "./limits.ts";
import { ARRAY_ID, METADATA_TYPE_IDS, metadataTypeOf } from "./metadata-types.ts";
import { malformed, quote } from "./problem.ts";

/** A value of fixed size. */
interface Scalar {
  readonly bytes: number;
  read(cursor: Cursor): number | boolean;
  /** The compact array whose memory looks like the file's; absent where there is none. */
  readonly compact?: (length: number) => CompactArray;
}

type CompactArray = Exclude<MetadataArray, readonly unknown[]>;

/** By GGUF's numbers for them (`enum gguf_type`). */
const SCALARS: ReadonlyMap<number, Scalar> = new Map<number, Scalar>([
  [0, { bytes: 1, read: (c) => c.u8(), compact: (n) => new Uint8Array(n) }],
  [1, { bytes: 1, read: (c) => c.i8(), compact: (n) => new Int8Array(n) }],
  [2, { bytes: 2, read: (c) => c.u16(), compact: (n) => new Uint16Array(n) }],
  [3, { bytes: 2, read: (c) => c.i16(), compact: (n) => new Int16Array(n) }],
  [4, { bytes: 4, read: (c) => c.u32(), compact: (n) => new Uint32Array(n) }],
  [5, { bytes: 4, read: (c) => c.i32(), compact: (n) => new Int32Array(n) }],
  [6, { bytes: 4, read: (c) => c.f32(), compact: (n) => new Float32Array(n) }],
  [7, { bytes: 1, read: readBoolean }],
  [10, { bytes: 8, read: (c) => c.u64() }],
  [11, { bytes: 8, read: (c) => c.i64() }],
  [12, { bytes: 8, read: (c) => c.f64(), compact: (n) => new Float64Array(n) }],
]);
const STRING = METADATA_TYPE_IDS.string;
const ARRAY = ARRAY_ID;

/** Whether an array of strings, by its key, is not wanted. */
export type OmitStrings = (key: string) => boolean;

/** Strings that are worth decoding together. */
const LEAST_RUN = 8;

/** Least bytes of an entry: a key's length, a type and a value of one byte. */
const LEAST_ENTRY_BYTES = 8 + 4 + 1;
/** Least bytes of a string in an array: its length. */
const LEAST_STRING_BYTES = 8;
/** Least bytes of an array in an array: its elements' type and their number. */
const LEAST_ARRAY_BYTES = 4 + 8;

/** What a header says about the model, and of which type each value is, of an array its elements. */
export interface TypedMetadata {
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  /** Without arrays of arrays. */
  readonly types: ReadonlyMap<string, MetadataType>;
}

/**
 * The entries at the cursor, without those arrays of strings that `omitted` says yes to. Rejects with
 * `MODEL_MALFORMED` for anything the format does not allow.
 */
export async function readMetadata(
  cursor: Cursor,
  count: number,
  omitted: OmitStrings = () => false,
): Promise<TypedMetadata> {
  checkCount(
    cursor,
    () => "number of metadata entries",
    count,
    MAX_METADATA_ENTRIES,
    LEAST_ENTRY_BYTES,
  );
  const metadata = new Map<string, MetadataValue>();
  const types = new Map<string, MetadataType>();
  const seen = new Set<string>();
  const budget: Budget = { elements: MAX_TOTAL_ELEMENTS, nested: MAX_NESTED_ARRAYS };
  for (let i = 0; i < count; i++) {
    const key = await readName(cursor, `metadata key ${i}`, MAX_KEY_BYTES);
    if (seen.has(key)) throw malformed(cursor.file, `metadata key ${quote(key)} occurs twice`);
    seen.add(key);
    const { value, type } = await readValue(cursor, key, budget, omitted(key));
    if (value === undefined) continue;
    metadata.set(key, value);
    const named = metadataTypeOf(type);
    if (named !== undefined) types.set(key, named);
  }
  return { metadata, types };
}

/**
 * A string that names something, which must be valid UTF-8. (Values need not be: token strings of real
 * vocabularies may hold any bytes, so there what is not UTF-8 reads as U+FFFD.)
 */
export async function readName(cursor: Cursor, what: string, most: number): Promise<string> {
  if (!cursor.ready(8)) await cursor.fill(8);
  const length = cursor.u64();
  if (length > most)
    throw malformed(cursor.file, `${what} has ${length} bytes, at most ${most} may be`);
  if (!cursor.ready(length)) await cursor.fill(length);
  const name = cursor.strictText(length);
  if (name === undefined) throw malformed(cursor.file, `${what} is not valid UTF-8`);
  return name;
}

/** Throws `MODEL_MALFORMED`, naming `what` it counts, when `count` is over `most`, or could not fit into what is left of the file. */
export function checkCount(
  cursor: Cursor,
  what: () => string,
  count: number,
  most: number,
  leastBytes: number,
): void {
  if (count > most) throw malformed(cursor.file, `${what()} is ${count}, at most ${most} may be`);
  // No overflow: `most` and `leastBytes` are small constants.
  cursor.checkExists(count * leastBytes, () => `${what()} is ${count}, which`);
}

async function readValue(
  cursor: Cursor,
  key: string,
  budget: Budget,
  omit: boolean,
): Promise<TypedValue> {
  if (!cursor.ready(4)) await cursor.fill(4);
  const type = cursor.u32();
  if (type === STRING) return { value: await readText(cursor, key), type };
  if (type === ARRAY) return readArray(cursor, key, 1, budget, omit);
  const scalar = SCALARS.get(type);
  if (scalar === undefined) throw unknownType(cursor, key, type);
  if (!cursor.ready(scalar.bytes)) await cursor.fill(scalar.bytes);
  return { value: scalar.read(cursor), type };
}

/** A value, and GGUF's number of its type, of an array its elements'. */
interface TypedValue<T extends MetadataValue = MetadataValue> {
  readonly value: T | undefined;
  readonly type: number;
}

async function readText(cursor: Cursor, key: string): Promise<string> {
  if (!cursor.ready(8)) await cursor.fill(8);
  const length = cursor.u64();
  if (length > MAX_STRING_BYTES) {
    throw malformed(
      cursor.file,
      `a string of ${quote(key)} has ${length} bytes, at most ${MAX_STRING_BYTES} may be`,
    );
  }
  if (!cursor.ready(length)) await cursor.fill(length);
  return cursor.text(length);
}

/** What the arrays to come may still hold. */
interface Budget {
  elements: number;
  nested: number;
}

async function readArray(
  cursor: Cursor,
  key: string,
  depth: number,
  budget: Budget,
  omit: boolean,
): Promise<TypedValue<MetadataArray>> {
  if (depth > MAX_ARRAY_DEPTH) {
    throw malformed(
      cursor.file,
      `arrays in ${quote(key)} are nested deeper than ${MAX_ARRAY_DEPTH}`,
    );
  }
  if (!cursor.ready(LEAST_ARRAY_BYTES)) await cursor.fill(LEAST_ARRAY_BYTES);
  const type = cursor.u32();
  const count = cursor.u64();
  const scalar = SCALARS.get(type);
  if (scalar === undefined && type !== STRING && type !== ARRAY)
    throw unknownType(cursor, key, type);
  const least = scalar?.bytes ?? (type === STRING ? LEAST_STRING_BYTES : LEAST_ARRAY_BYTES);
  const what = (): string => `number of elements of ${quote(key)}`;
  checkCount(cursor, what, count, Math.min(MAX_ARRAY_ELEMENTS, budget.elements), least);
  budget.elements -= count;
  if (type === ARRAY) {
    checkCount(cursor, () => `number of arrays in ${quote(key)}`, count, budget.nested, least);
    budget.nested -= count;
  }

  if (type === STRING) {
    const strings = omit ? skipStrings(cursor, key, count) : readStrings(cursor, key, count);
    return { value: await strings, type };
  }
  if (scalar === undefined) {
    const arrays: MetadataArray[] = [];
    for (let i = 0; i < count; i++) {
      const { value } = await readArray(cursor, key, depth + 1, budget, omit);
      if (value !== undefined) arrays.push(value);
    }
    return { value: arrays, type };
  }
  if (scalar.compact !== undefined) {
    const array = scalar.compact(count);
    await cursor.copy(new Uint8Array(array.buffer));
    return { value: array, type };
  }
  const values: (number | boolean)[] = [];
  for (let i = 0; i < count; i++) {
    if (!cursor.ready(scalar.bytes)) await cursor.fill(scalar.bytes);
    values.push(scalar.read(cursor));
  }
  // One scalar reads either numbers or booleans.
  return { value: values as number[] | boolean[], type };
}

/** A vocabulary may have hundreds of thousands of tokens: all that the buffer holds are read together. */
async function readStrings(cursor: Cursor, key: string, count: number): Promise<string[]> {
  const strings: string[] = [];
  while (strings.length < count) {
    const left = count - strings.length;
    if (left >= LEAST_RUN) cursor.texts(left, strings);
    // The one across the buffer's end; fetching the rest of it brings the next ones in.
    if (strings.length < count) strings.push(await readText(cursor, key));
  }
  return strings;
}

/** As `readStrings`, with the same checks, for who does not want them. */
async function skipStrings(cursor: Cursor, key: string, count: number): Promise<undefined> {
  for (let left = count; left > 0;) {
    left -= cursor.skipTexts(left);
    if (left === 0) break;
    await readText(cursor, key);
    left--;
  }
}

function readBoolean(cursor: Cursor): boolean {
  const byte = cursor.u8();
  if (byte > 1)
    throw malformed(cursor.file, `a boolean before byte ${cursor.position()} is ${byte}`);
  return byte === 1;
}

function unknownType(cursor: Cursor, key: string, type: number): Error {
  return malformed(cursor.file, `value type ${type} of ${quote(key)} is not one of GGUF's 0 to 12`);
}
