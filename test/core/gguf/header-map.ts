/** Where the fields of a sound GGUF header lie: a reader of its own, so that a fuzzer knows what it hits. */

export interface HeaderMap {
  /** Offsets of lengths, counts, dimensions and tensor offsets: 64 bits each. */
  readonly wide: readonly number[];
  /** Offsets of value types, tensor types and numbers of dimensions: 32 bits each. */
  readonly narrow: readonly number[];
  /** Offsets at which some field begins. */
  readonly boundaries: readonly number[];
  /** [start, end) of each metadata entry and of each tensor's entry. */
  readonly entries: readonly (readonly [number, number])[];
  readonly tensorEntries: readonly (readonly [number, number])[];
  readonly end: number;
}

const SIZES: Readonly<Record<number, number>> = {
  0: 1,
  1: 1,
  2: 2,
  3: 2,
  4: 4,
  5: 4,
  6: 4,
  7: 1,
  10: 8,
  11: 8,
  12: 8,
};
const STRING = 8;
const ARRAY = 9;

/** Offset of the preamble's two counts. */
export const TENSOR_COUNT_AT = 8;
export const ENTRY_COUNT_AT = 16;

export function mapHeader(bytes: Uint8Array): HeaderMap {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const wide = [TENSOR_COUNT_AT, ENTRY_COUNT_AT];
  const narrow = [4];
  const boundaries = [0, 4, 8, 16, 24];
  const entries: [number, number][] = [];
  const tensorEntries: [number, number][] = [];
  let at = 24;
  const u64 = (): number => {
    wide.push(at);
    boundaries.push(at);
    at += 8;
    return Number(view.getBigUint64(at - 8, true));
  };
  const u32 = (): number => {
    narrow.push(at);
    boundaries.push(at);
    at += 4;
    return view.getUint32(at - 4, true);
  };
  const skip = (length: number): void => {
    boundaries.push(at);
    at += length;
  };
  const payload = (type: number): void => {
    if (type === STRING) return skip(u64());
    if (type !== ARRAY) return skip(SIZES[type]!);
    const of = u32();
    const count = u64();
    for (let i = 0; i < count; i++) payload(of);
  };
  for (let left = Number(view.getBigUint64(ENTRY_COUNT_AT, true)); left > 0; left--) {
    const start = at;
    skip(u64());
    payload(u32());
    entries.push([start, at]);
  }
  for (let left = Number(view.getBigUint64(TENSOR_COUNT_AT, true)); left > 0; left--) {
    const start = at;
    skip(u64());
    for (let dimensions = u32(); dimensions > 0; dimensions--) u64();
    u32();
    u64();
    tensorEntries.push([start, at]);
  }
  return { wide, narrow, boundaries, entries, tensorEntries, end: at };
}
