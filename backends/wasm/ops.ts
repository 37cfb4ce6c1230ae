import type { BatchLayout, KvLayer, Ops } from "../../core/tensor/backend.ts";
import type { Tensor } from "../../core/tensor/tensor.ts";
import type { Arena } from "./arena.ts";
import type { ArgsWriter } from "./args.ts";
import type { KernelMemory } from "./backend.ts";
import type { Exchange } from "./exchange.ts";
import type { Executor } from "./executor.ts";
import { createExperts } from "./experts.ts";
import { kernelId } from "./kernels.ts";
import { createLowRank } from "./low-rank.ts";
import { createProducts } from "./products.ts";
import { createScratch } from "./scratch.ts";
import { HOME, KV_BLOCK, WasmKv } from "./tensors.ts";
import type { WasmTensor } from "./tensors.ts";

/**
 * Nanoseconds of work, roughly, by which the executor judges what is worth sharing: of an element that is only added
 * or scaled, of one that goes to the cache, where its neighbours lie apart, of one through GELU, of one that attention
 * looks at.
 */
const ELEMENT_NS = 0.3;
const STORE_NS = 2;
const GELU_NS = 1.5;
const LOOK_NS = 0.1;

/** Rows of one unit of attention (`attention::TILE`). */
const ATTENTION_ROWS = 16;

const KERNELS = {
  rmsNorm: kernelId("rms_norm"),
  rope: { norm: kernelId("rope_norm"), neox: kernelId("rope_neox") },
  layerNorm: kernelId("layer_norm"),
  addTo: kernelId("add_to"),
  gelu: kernelId("gelu"),
  scale: kernelId("scale"),
} as const;

/** What the operations work on. */
export interface OpsContext {
  /** The home memory, which has all but some weights and caches. */
  readonly arena: Arena;
  readonly args: ArgsWriter;
  /** All memories, that one first. */
  readonly memories: readonly KernelMemory[];
  readonly exchange: Exchange;
  readonly executor: Executor;
  readonly owner: object;
  readonly own: (tensor: Tensor) => WasmTensor;
  /** Offset of scratch memory at home that stays. */
  readonly scratch: (bytes: number) => number;
}

/** What attention reads beside its tensors. */
interface Tables {
  /** Offsets of the rows' slots, and of all sequences' cache blocks one after another. */
  readonly slots: number;
  readonly blocks: number;
  /** Cache blocks of each sequence. */
  readonly counts: readonly number[];
}

/** The operations, and what begins a step of them. */
export interface StepOps {
  readonly ops: Ops;
  /** Forget the layout of the step before: its arrays may have been written over. */
  readonly begin: () => void;
}

/** The operations as regions of kernels, executed as they are recorded. */
export function createOps(context: OpsContext): StepOps {
  const { arena, args, memories, exchange, executor, own } = context;
  const ids = createScratch(context.scratch);
  const slotIds = createScratch(context.scratch);
  const blockIds = createScratch(context.scratch);

  /** A region of one kernel. */
  const share = (units: number, cost: number, kernel: number, at: number): void => {
    executor.part(units, cost);
    executor.step(kernel, at);
    executor.run();
  };

  const kvOf = (layer: KvLayer): WasmKv => {
    if (!(layer instanceof WasmKv) || layer.owner !== context.owner) {
      throw new TypeError(`Cannot use cache "${layer.label}": it belongs to another backend`);
    }
    return layer;
  };

  /** Integers that a kernel reads. */
  const putIds = (values: Uint32Array): number => {
    const offset = ids.at(values.length * 4);
    arena.put(offset, values);
    return offset;
  };

  /** A layout's slots and cache blocks in memory: written once in a step, since all layers share them. */
  let tables: (Tables & { readonly layout: BatchLayout }) | undefined;
  const tablesOf = (layout: BatchLayout): Tables => {
    if (tables?.layout === layout) return tables;
    const { starts, positions } = layout;
    const counts: number[] = [];
    const numbers: number[] = [];
    for (let s = 0; s + 1 < starts.length; s++) {
      const rows = starts[s + 1]! - starts[s]!;
      const last = rows > 0 ? positions[starts[s]!]! + rows : 0;
      const count = Math.ceil(last / KV_BLOCK);
      counts.push(count);
      pushBlocks(numbers, layout, s, count);
    }
    const slots = slotIds.at(layout.slots.length * 4);
    arena.put(slots, layout.slots);
    const blocks = blockIds.at(numbers.length * 4);
    arena.put(blocks, Uint32Array.from(numbers));
    tables = { layout, slots, counts, blocks };
    return tables;
  };

  const routed = createExperts(context);
  const lowRank = createLowRank(context);

  const ops: Ops = {
    embed(out, weights, tokens) {
      const o = own(out);
      const w = own(weights);
      for (const token of tokens) {
        if (token >= w.rows) {
          throw new RangeError(`Cannot embed token ${token}: "${w.label}" has ${w.rows} rows`);
        }
      }
      const cost = w.width * ELEMENT_NS;
      if (w.isHome) {
        const at = args.put(o.offset, w.offset, putIds(tokens), w.width);
        return share(tokens.length, cost, w.embed, at);
      }
      exchange.begin();
      for (const { memory, offset, firstRow, rows } of w.pieces) {
        const places = [...tokens.keys()].filter(
          (i) => tokens[i]! >= firstRow && tokens[i]! < firstRow + rows,
        );
        if (places.length === 0) continue;
        const bytes = w.width * 4;
        const idsAt = exchange.room(memory, places.length * 4);
        memories[memory]!.arena.put(
          idsAt,
          Uint32Array.from(places, (i) => tokens[i]! - firstRow),
        );
        const rowsAt = places.map((i) => o.offset + i * bytes);
        const to = exchange.scattered(memory, rowsAt, bytes);
        executor.part(places.length, cost, memory);
        executor.step(w.embed, memories[memory]!.args.put(to, offset, idsAt, w.width));
      }
      executor.run();
      exchange.fetch();
    },

    rmsNorm(out, x, weight, eps) {
      const i = own(x);
      const w = own(weight);
      if (i.width % w.length !== 0) {
        throw new RangeError(`Cannot normalise ${i.width} values by "${w.label}" of ${w.length}`);
      }
      const at = args.putFloat(eps, own(out).offset, i.offset, w.offset, w.length);
      share(i.length / w.length, w.length * ELEMENT_NS, KERNELS.rmsNorm, at);
    },

    layerNorm(out, x, weight, bias, eps) {
      const i = own(x);
      const [w, b] = [own(weight), own(bias)];
      const at = args.putFloat(eps, own(out).offset, i.offset, w.offset, b.offset, i.width);
      share(i.rows, i.width * ELEMENT_NS, KERNELS.layerNorm, at);
    },

    ...createProducts(context),

    addLowRank(out, x, factors, scales) {
      lowRank(ops, own(out), own(x), factors, scales);
    },

    experts(out, x, router, layer) {
      routed(ops, own(out), own(x), own(router), layer);
    },

    gelu(x) {
      const { offset, rows, width } = own(x);
      share(rows, width * GELU_NS, KERNELS.gelu, args.put(offset, width));
    },

    scale(x, factor) {
      const { offset, rows, width } = own(x);
      share(rows, width * ELEMENT_NS, KERNELS.scale, args.putFloat(factor, offset, width));
    },

    rope(x, rotation, style) {
      const t = own(x);
      const turn = own(rotation);
      const [rows = 0, heads = 0, headDim = 0] = t.shape;
      const at = args.put(t.offset, turn.offset, heads, headDim, turn.width / 2);
      share(rows, t.width * ELEMENT_NS, KERNELS.rope[style], at);
    },

    attention(out, q, k, v, layer, layout, options) {
      const kv = kvOf(layer);
      const [rows = 0, heads = 0] = q.shape;
      const { kvHeads, headDim, memory } = kv;
      if (layout.blockSize % KV_BLOCK !== 0) {
        throw new RangeError(
          `Cannot page by ${layout.blockSize} positions: this backend's blocks are multiples of ${KV_BLOCK}`,
        );
      }
      if (heads % kvHeads !== 0) {
        throw new RangeError(`Cannot attend: ${heads} heads do not share ${kvHeads} key heads`);
      }
      const { slots, counts, blocks } = tablesOf(layout);
      const there = memories[memory]!.args;
      exchange.begin();
      const bring = (tensor: Tensor): number => {
        const { offset, rows: n, width } = own(tensor);
        return exchange.bring(memory, offset, n * width * 4);
      };
      executor.part(kvHeads, 2 * rows * headDim * STORE_NS, memory);
      executor.step(
        kv.store,
        there.put(
          kv.offset,
          bring(k),
          bring(v),
          exchange.bring(memory, slots, layout.slots.length * 4),
          rows,
          kvHeads,
          headDim,
        ),
      );
      executor.run();
      const rowBytes = heads * headDim * 4;
      const queries = bring(q);
      const { offset: outAt } = own(out);
      const answers =
        memory === HOME
          ? outAt
          : exchange.result(memory, outAt, 1, rows * rowBytes, rows * rowBytes);
      const tableWords = counts.reduce((sum, count) => sum + count, 0);
      let table = exchange.bring(memory, blocks, tableWords * 4);
      for (let s = 0; s < counts.length; s++) {
        const count = counts[s]!;
        if (count === 0) continue;
        const first = layout.starts[s]!;
        const ownRows = layout.starts[s + 1]! - first;
        const tiles = Math.ceil(ownRows / ATTENTION_ROWS);
        const cost = (ownRows / tiles) * count * KV_BLOCK * headDim * LOOK_NS;
        executor.part(tiles * heads, cost, memory);
        executor.step(
          kv.attention,
          there.putFloat(
            options.scale,
            answers + first * rowBytes,
            queries + first * rowBytes,
            kv.offset,
            table,
            layout.positions[first]!,
            ownRows,
            heads,
            kvHeads,
            headDim,
            options.window ?? 0,
            options.bidirectional === true ? 1 : 0,
          ),
        );
        table += count * 4;
      }
      executor.run();
      exchange.fetch();
    },

    addTo(x, y) {
      const target = own(x);
      const at = args.put(target.offset, own(y).offset, target.width);
      share(target.rows, target.width * ELEMENT_NS, KERNELS.addTo, at);
    },

    gather(out, x, rows) {
      const o = own(out);
      const source = own(x);
      const bytes = source.width * 4;
      for (const [i, row] of rows.entries()) {
        arena.move(o.offset + i * bytes, source.offset + row * bytes, bytes);
      }
    },
  };
  return {
    ops,
    begin() {
      tables = undefined;
    },
  };
}

/** Add the first `count` cache blocks of a sequence in the kernel's size: a block of ours is a run of its blocks. */
function pushBlocks(to: number[], layout: BatchLayout, sequence: number, count: number): void {
  const per = layout.blockSize / KV_BLOCK;
  const stride = layout.blocks.length / (layout.starts.length - 1);
  for (let b = 0; b < count; b++) {
    const block = layout.blocks[sequence * stride + Math.floor(b / per)] ?? 0;
    to.push(block * per + (b % per));
  }
}
