import type { Backend, BatchLayout } from "../../../core/tensor/backend.ts";
import { roundHeads } from "../../../backends/reference/round.ts";
import type { KvType } from "../../../core/tensor/kv-type.ts";
import type { Random } from "../../fixtures/random.ts";
import { createRandom } from "../../fixtures/random.ts";
import { download, upload } from "./tensors.ts";

/** Shapes of an attention problem. */
export interface AttentionShape {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly blockSize: number;
  readonly window?: number;
  /** Rows see their whole sequence. */
  readonly bidirectional?: boolean;
  /** How the cache stores; absent means `f32`. */
  readonly type?: KvType;
  /** Positions of each sequence when all is done. */
  readonly lengths: readonly number[];
}

/** The inputs of one sequence, all positions. */
export interface SequenceInputs {
  readonly length: number;
  readonly q: Float32Array; // [length, heads, headDim]
  readonly k: Float32Array; // [length, kvHeads, headDim]
  readonly v: Float32Array; // [length, kvHeads, headDim]
}

/** Rows that each sequence adds in each step; a step has at least one row. */
export type Schedule = readonly (readonly number[])[];

/** Random inputs for a shape. */
export function randomInputs(random: Random, shape: AttentionShape): SequenceInputs[] {
  const { heads, kvHeads, headDim } = shape;
  return shape.lengths.map((length) => ({
    length,
    q: random.normals(length * heads * headDim),
    k: random.normals(length * kvHeads * headDim),
    v: random.normals(length * kvHeads * headDim),
  }));
}

/** Usually 1 / sqrt(headDim). */
export function scaleOf({ headDim }: AttentionShape): number {
  return 1 / Math.sqrt(headDim);
}

/**
 * Run a schedule on a backend, with cache blocks handed out in random order as sequences grow.
 * Returns each sequence's output, [length, heads, headDim].
 */
export async function runSchedule(
  backend: Backend,
  shape: AttentionShape,
  inputs: readonly SequenceInputs[],
  schedule: Schedule,
  seed = 1,
): Promise<Float32Array[]> {
  const { heads, kvHeads, headDim, window, bidirectional } = shape;
  const blockSize = Math.ceil(shape.blockSize / backend.kvBlock) * backend.kvBlock;
  const needed = shape.lengths.map((length) => Math.ceil(length / blockSize));
  const blocks = needed.reduce((sum, count) => sum + count, 0) + 3;
  const free = createRandom(seed).shuffled(blocks);
  const tables: number[][] = inputs.map(() => []);
  const done = inputs.map(() => 0);
  const outputs = inputs.map(({ q }) => new Float32Array(q.length));
  const kv = backend.allocKv("cache", blocks * blockSize, {
    kvHeads,
    headDim,
    type: shape.type ?? "f32",
  });

  for (const counts of schedule) {
    const active = counts.flatMap((count, sequence) => (count > 0 ? [sequence] : []));
    for (const sequence of active) {
      const end = done[sequence]! + counts[sequence]!;
      while (tables[sequence]!.length * blockSize < end) tables[sequence]!.push(free.pop()!);
    }
    const layout = layoutOf(active, counts, done, tables, blockSize);
    const rows = layout.positions.length;
    const pick = (name: "q" | "k" | "v", width: number): Float32Array => {
      const values = new Float32Array(rows * width);
      for (const [i, sequence] of active.entries()) {
        const from = done[sequence]! * width;
        const part = inputs[sequence]![name].subarray(from, from + counts[sequence]! * width);
        values.set(part, layout.starts[i]! * width);
      }
      return values;
    };
    const q = upload(backend, [rows, heads, headDim], pick("q", heads * headDim));
    const k = upload(backend, [rows, kvHeads, headDim], pick("k", kvHeads * headDim));
    const v = upload(backend, [rows, kvHeads, headDim], pick("v", kvHeads * headDim));
    const out = backend.alloc("out", [rows, heads, headDim]);
    const options = {
      scale: scaleOf(shape),
      ...(window === undefined ? {} : { window }),
      ...(bidirectional === undefined ? {} : { bidirectional }),
    };
    await backend.run((ops) => ops.attention(out, q, k, v, kv, layout, options));

    const result = await download(backend, out);
    const width = heads * headDim;
    for (const [i, sequence] of active.entries()) {
      const part = result.subarray(layout.starts[i]! * width, layout.starts[i + 1]! * width);
      outputs[sequence]!.set(part, done[sequence]! * width);
      done[sequence]! += counts[sequence]!;
    }
  }
  return outputs;
}

function layoutOf(
  active: readonly number[],
  counts: readonly number[],
  done: readonly number[],
  tables: readonly (readonly number[])[],
  blockSize: number,
): BatchLayout {
  const maxBlocks = Math.max(...active.map((sequence) => tables[sequence]!.length));
  const blocks = new Uint32Array(active.length * maxBlocks);
  const starts = [0];
  const positions: number[] = [];
  const slots: number[] = [];
  for (const [i, sequence] of active.entries()) {
    const table = tables[sequence]!;
    blocks.set(table, i * maxBlocks);
    for (let row = 0; row < counts[sequence]!; row++) {
      const position = done[sequence]! + row;
      positions.push(position);
      slots.push(table[Math.floor(position / blockSize)]! * blockSize + (position % blockSize));
    }
    starts.push(positions.length);
  }
  return {
    positions: Uint32Array.from(positions),
    slots: Uint32Array.from(slots),
    starts: Uint32Array.from(starts),
    blocks,
    blockSize,
  };
}

/** Attention by its definition, over keys and values as the cache rounds them: [length, heads, headDim]. */
export function plainAttention(shape: AttentionShape, given: SequenceInputs): Float64Array {
  const { heads, kvHeads, headDim, window = Infinity, bidirectional, type = "f32" } = shape;
  const input = { ...given, k: given.k.slice(), v: given.v.slice() };
  roundHeads(type, input.k, headDim);
  roundHeads(type, input.v, headDim);
  const out = new Float64Array(input.q.length);
  for (let row = 0; row < input.length; row++) {
    for (let head = 0; head < heads; head++) {
      const group = Math.floor(head / (heads / kvHeads));
      const at = (row * heads + head) * headDim;
      const seen: { readonly weight: number; readonly base: number }[] = [];
      const last = bidirectional === true ? input.length - 1 : row;
      for (let other = 0; other <= last; other++) {
        if (other <= row - window) continue;
        const base = (other * kvHeads + group) * headDim;
        let dot = 0;
        for (let c = 0; c < headDim; c++) dot += input.q[at + c]! * input.k[base + c]!;
        seen.push({ weight: Math.exp(dot * scaleOf(shape)), base });
      }
      const total = seen.reduce((sum, { weight }) => sum + weight, 0);
      for (const { weight, base } of seen) {
        for (let c = 0; c < headDim; c++) out[at + c]! += (weight / total) * input.v[base + c]!;
      }
    }
  }
  return out;
}
