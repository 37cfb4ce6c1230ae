import type { BatchLayout, Ops } from "../../core/tensor/backend.ts";
import { roundHeads } from "./round.ts";
import type { ReferenceKv } from "./tensors.ts";
import { expectShape, own, ownKv } from "./tensors.ts";

/** Scaled dot-product attention over a paged cache; see {@linkcode Ops.attention}. */
// The interface sets the parameters.
// eslint-disable-next-line max-params
export const attention: Ops["attention"] = (out, q, k, v, kv, layout, options) => {
  const { scale, window, bidirectional = false } = options;
  const [o, queries, keys, values, cache] = [own(out), own(q), own(k), own(v), ownKv(kv)];
  const { kvHeads, headDim } = cache;
  const rows = queries.rows;
  const heads = queries.width / headDim;
  expectShape("attend", keys, rows, kvHeads * headDim);
  expectShape("attend", values, rows, kvHeads * headDim);
  expectShape("attend", o, rows, heads * headDim);
  if (!Number.isInteger(heads / kvHeads)) {
    throw new RangeError(`Cannot attend: ${heads} heads do not share ${kvHeads} key-value heads`);
  }

  // All rows are stored first: a row sees the earlier rows of its own step through the cache.
  store(cache, keys.values, values.values, layout.slots);

  const sequences = layout.starts.length - 1;
  const maxBlocks = layout.blocks.length / sequences;
  for (let sequence = 0; sequence < sequences; sequence++) {
    const table = layout.blocks.subarray(sequence * maxBlocks, (sequence + 1) * maxBlocks);
    const end = layout.starts[sequence + 1]!;
    for (let row = layout.starts[sequence]!; row < end; row++) {
      const position = layout.positions[bidirectional ? end - 1 : row]!;
      const first = window === undefined ? 0 : Math.max(0, position - window + 1);
      const slots = slotsOf(table, first, position, layout);
      for (let head = 0; head < heads; head++) {
        const at = (row * heads + head) * headDim;
        const group = Math.floor((head * kvHeads) / heads);
        attend(o.values.subarray(at), queries.values.subarray(at), cache, group, slots, scale);
      }
    }
  }
};

/** Put row r of k and v at slots[r]. */
function store(cache: ReferenceKv, k: Float32Array, v: Float32Array, slots: Uint32Array): void {
  const { headDim, type } = cache;
  const width = cache.kvHeads * headDim;
  for (const [row, slot] of slots.entries()) {
    if (slot >= cache.slots) {
      throw new RangeError(`Cannot store at slot ${slot}: "${cache.label}" has ${cache.slots}`);
    }
    const [from, to, at] = [row * width, (row + 1) * width, slot * width];
    cache.keys.set(k.subarray(from, to), at);
    cache.values.set(v.subarray(from, to), at);
    roundHeads(type, cache.keys.subarray(at, at + width), headDim);
    roundHeads(type, cache.values.subarray(at, at + width), headDim);
  }
}

/** The cache slots of positions `first` to `last`. */
function slotsOf(
  table: Uint32Array,
  first: number,
  last: number,
  { blockSize }: BatchLayout,
): Uint32Array {
  const slots = new Uint32Array(last - first + 1);
  for (let position = first; position <= last; position++) {
    const block = table[Math.floor(position / blockSize)];
    if (block === undefined) {
      throw new RangeError(`Cannot attend to position ${position}: it has no cache block`);
    }
    slots[position - first] = block * blockSize + (position % blockSize);
  }
  return slots;
}

/** One head of one row: out[headDim] = softmax(q · Kᵀ · scale) · V over `slots`. */
function attend(
  out: Float32Array,
  q: Float32Array,
  cache: ReferenceKv,
  group: number,
  slots: Uint32Array,
  scale: number,
): void {
  const { keys, values, kvHeads, headDim } = cache;
  const scores = new Float64Array(slots.length);
  let max = -Infinity;
  for (let p = 0; p < slots.length; p++) {
    const base = (slots[p]! * kvHeads + group) * headDim;
    let dot = 0;
    for (let c = 0; c < headDim; c++) dot += q[c]! * keys[base + c]!;
    scores[p] = dot * scale;
    if (scores[p]! > max) max = scores[p]!;
  }

  const mixed = new Float64Array(headDim);
  let total = 0;
  for (let p = 0; p < slots.length; p++) {
    // Less the maximum, so that no exponential overflows.
    const weight = Math.exp(scores[p]! - max);
    const base = (slots[p]! * kvHeads + group) * headDim;
    total += weight;
    for (let c = 0; c < headDim; c++) mixed[c]! += weight * values[base + c]!;
  }
  for (let c = 0; c < headDim; c++) out[c] = mixed[c]! / total;
}
