import type { BatchLayout, KvLayer, Ops } from "../../core/tensor/backend.ts";
import type { WasmContext } from "./backend.ts";
import {
  isQuantized,
  KV_BLOCK,
  MAX_GROUP,
  MAX_GROUP_HEADS,
  PANEL_ROWS,
  WasmKv,
} from "./tensors.ts";
import type { WasmTensor } from "./tensors.ts";

/** Bytes of one activation record, of 32 columns (`activation::RECORD`). */
const RECORD_BYTES = 128;

/** Bytes of the attention kernel's `Shape`. */
const SHAPE_BYTES = 20;

/** Scratch that grows to the largest size asked for and is then reused by every step. */
interface Scratch {
  /** Offset of at least `bytes` bytes. */
  at(bytes: number): number;
}

function createScratch(take: (bytes: number) => number): Scratch {
  let offset = 0;
  let size = 0;
  return {
    at(bytes) {
      if (bytes > size) {
        // Doubling bounds what is left behind by what is in use.
        size = Math.max(bytes, 2 * size);
        offset = take(size);
      }
      return offset;
    },
  };
}

/** The operations as calls into the kernels, executed as they are recorded. */
export function createOps(context: WasmContext): Ops {
  const { kernels, arena, own } = context;
  const records = createScratch(context.scratch);
  const slots = createScratch(context.scratch);
  const table = createScratch(context.scratch);
  const shape = context.scratch(SHAPE_BYTES);

  const kvOf = (layer: KvLayer): WasmKv => {
    if (!(layer instanceof WasmKv) || layer.owner !== context.owner) {
      throw new TypeError(`Cannot use cache "${layer.label}": it belongs to another backend`);
    }
    return layer;
  };

  /** The cache blocks of a sequence in the kernel's size: a block of ours is a run of its blocks. */
  const blocksOf = (layout: BatchLayout, sequence: number, positions: number): number => {
    const per = layout.blockSize / KV_BLOCK;
    const stride = layout.blocks.length / (layout.starts.length - 1);
    const count = Math.ceil(positions / KV_BLOCK);
    const offset = table.at(count * 4);
    const out = arena.u32(offset, count);
    for (let b = 0; b < count; b++) {
      const block = layout.blocks[sequence * stride + Math.floor(b / per)] ?? 0;
      out[b] = block * per + (b % per);
    }
    return offset;
  };

  return {
    embed(out, weights, tokens) {
      const o = own(out);
      const w = own(weights);
      const row = kernels.row(w.dtype);
      const rows = w.rows;
      for (const [i, token] of tokens.entries()) {
        if (token >= rows) {
          throw new RangeError(`Cannot embed token ${token}: "${w.label}" has ${rows} rows`);
        }
        row(o.offset + i * w.width * 4, w.offset, token, w.width);
      }
    },

    rmsNorm(out, x, weight, eps) {
      const o = own(out);
      const i = own(x);
      kernels.rmsNorm(o.offset, i.offset, own(weight).offset, i.rows, i.width, eps);
    },

    matmul(x, products) {
      const input = own(x);
      const n = input.rows;
      const k = input.width;
      const wanted = products.some(({ weight }) => isQuantized(weight.dtype));
      const acts = wanted ? records.at(((n * k) / 32) * RECORD_BYTES) : 0;
      if (wanted) kernels.quantizeActivations(acts, input.offset, n, k);
      for (const product of products) {
        const w = own(product.weight);
        const out = own(product.out);
        check(w, input, out);
        const source = isQuantized(w.dtype) ? acts : input.offset;
        const panels = Math.ceil(w.rows / PANEL_ROWS);
        kernels.matmul(w.dtype)(out.offset, w.offset, source, n, w.rows, k, 0, panels);
      }
    },

    rope(x, rotation, style) {
      const t = own(x);
      const turn = own(rotation);
      const [rows = 0, heads = 0, headDim = 0] = t.shape;
      kernels.rope[style](t.offset, turn.offset, rows, heads, headDim, turn.width / 2);
    },

    attention(out, q, k, v, layer, layout, options) {
      const kv = kvOf(layer);
      const [rows = 0, heads = 0] = q.shape;
      if (layout.blockSize % KV_BLOCK !== 0) {
        throw new RangeError(
          `Cannot page by ${layout.blockSize} positions: this backend's blocks are multiples of ${KV_BLOCK}`,
        );
      }
      const group = heads / kv.kvHeads;
      if (!Number.isInteger(group) || group > MAX_GROUP_HEADS || group * kv.headDim > MAX_GROUP) {
        throw new RangeError(
          `Cannot attend with ${heads} query heads of ${kv.headDim} on ${kv.kvHeads} key heads: ` +
            `at most ${MAX_GROUP_HEADS} heads and ${MAX_GROUP} values share one`,
        );
      }
      const slotsAt = slots.at(rows * 4);
      arena.u32(slotsAt, rows).set(layout.slots);
      kernels.kvStore(
        kv.keys,
        kv.values,
        own(k).offset,
        own(v).offset,
        slotsAt,
        rows,
        kv.kvHeads,
        kv.headDim,
      );
      arena.u32(shape, 4).set([heads, kv.kvHeads, kv.headDim, options.window ?? 0]);
      arena.f32(shape + 16, 1)[0] = options.scale;
      const rowBytes = heads * kv.headDim * 4;
      for (let s = 0; s + 1 < layout.starts.length; s++) {
        const first = layout.starts[s]!;
        const count = layout.starts[s + 1]! - first;
        if (count === 0) continue;
        const position = layout.positions[first]!;
        const blocks = blocksOf(layout, s, position + count);
        kernels.attention(
          own(out).offset + first * rowBytes,
          own(q).offset + first * rowBytes,
          kv.keys,
          kv.values,
          blocks,
          position,
          count,
          shape,
          0,
          kv.kvHeads,
        );
      }
    },

    swiglu(out, gate, up) {
      const g = own(gate);
      kernels.swiglu(own(out).offset, g.offset, own(up).offset, g.length);
    },

    addTo(x, y) {
      const target = own(x);
      kernels.addTo(target.offset, own(y).offset, target.length);
    },

    gather(out, x, rows) {
      const o = own(out);
      const source = own(x);
      const bytes = source.width * 4;
      for (const [i, row] of rows.entries()) {
        const from = source.offset + row * bytes;
        arena.u8(o.offset + i * bytes, bytes).set(arena.u8(from, bytes));
      }
    },
  };
}

/** A product's shapes must agree: the kernels trust them. */
function check(weight: WasmTensor, x: WasmTensor, out: WasmTensor): void {
  const [m = 0, k = 0] = weight.shape;
  if (!weight.panels || k !== x.width || m !== out.width || x.rows !== out.rows) {
    throw new RangeError(
      `Cannot multiply "${x.label}" [${x.shape.join(", ")}] with "${weight.label}" [${weight.shape.join(", ")}] ` +
        `into "${out.label}" [${out.shape.join(", ")}]`,
    );
  }
}
