import type { BatchLayout, KvLayer, Ops, Product } from "../../core/tensor/backend.ts";
import type { Tensor } from "../../core/tensor/tensor.ts";
import type { Arena } from "./arena.ts";
import type { ArgsWriter } from "./args.ts";
import type { Executor } from "./executor.ts";
import { createExperts } from "./experts.ts";
import { kernelId } from "./kernels.ts";
import { createLowRank } from "./low-rank.ts";
import { createScratch } from "./scratch.ts";
import { ACTIVATION_BYTES, isQuantized, KV_BLOCK, PANEL_ROWS, WasmKv } from "./tensors.ts";
import type { WasmTensor } from "./tensors.ts";

/**
 * Nanoseconds of work, roughly, by which the executor judges what is worth sharing: of a product's
 * multiply-add, of an element that is only added or scaled, of a gated one, of an element that attention looks at.
 */
const MULTIPLY_NS = 0.015;
const ELEMENT_NS = 0.3;
const GATE_NS = 1.5;
const LOOK_NS = 0.1;

/** Rows of one unit of attention (`attention::TILE`). */
const ATTENTION_ROWS = 16;

const KERNELS = {
  quantize: kernelId("quantize_activations"),
  rmsNorm: kernelId("rms_norm"),
  rope: { norm: kernelId("rope_norm"), neox: kernelId("rope_neox") },
  layerNorm: kernelId("layer_norm"),
  gate: { silu: kernelId("swiglu"), gelu_tanh: kernelId("geglu") },
  addRow: kernelId("add_row"),
  addTo: kernelId("add_to"),
  gelu: kernelId("gelu"),
  scale: kernelId("scale"),
} as const;

/** What the operations work on. */
export interface OpsContext {
  readonly arena: Arena;
  readonly args: ArgsWriter;
  readonly executor: Executor;
  readonly owner: object;
  readonly own: (tensor: Tensor) => WasmTensor;
  /** Offset of scratch memory that stays. */
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
  const { arena, args, executor, own } = context;
  const records = createScratch(context.scratch);
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

  /** What products with these weights read: x itself or its activation records, made here. */
  const sourceOf = (x: WasmTensor, products: readonly Product[]): number => {
    if (!products.some(({ weight }) => isQuantized(weight.dtype))) return 0;
    const { rows: n, width: k } = x;
    const acts = records.at(((n * k) / 32) * ACTIVATION_BYTES);
    share(n, k * ELEMENT_NS, KERNELS.quantize, args.put(acts, x.offset, k, n));
    return acts;
  };

  /** Add the product's kernel to the part just begun. */
  const multiply = (x: WasmTensor, acts: number, product: Product): void => {
    const w = own(product.weight);
    const out = own(product.out);
    check(w, x, out);
    const source = isQuantized(w.dtype) ? acts : x.offset;
    executor.step(w.matmul, args.put(out.offset, w.offset, source, x.rows, w.rows, x.width));
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
      const at = args.put(o.offset, w.offset, putIds(tokens), w.width);
      share(tokens.length, w.width * ELEMENT_NS, w.embed, at);
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

    matmul(x, products) {
      const input = own(x);
      const acts = sourceOf(input, products);
      for (const product of products) {
        executor.part(panelsOf(product), panelCost(input));
        multiply(input, acts, product);
        if (product.bias !== undefined) {
          const [o, b] = [own(product.out), own(product.bias)];
          executor.step(KERNELS.addRow, args.put(o.offset, b.offset, o.rows, o.width));
        }
      }
      executor.run();
    },

    gatedMatmul(x, gate, up, activation = "silu") {
      const input = own(x);
      const g = own(gate.out);
      const u = own(up.out);
      if (g.width !== u.width) {
        throw new RangeError(
          `Cannot gate "${u.label}" of ${u.width} columns with "${g.label}" of ${g.width}`,
        );
      }
      const acts = sourceOf(input, [gate, up]);
      const gateCost = input.rows * PANEL_ROWS * GATE_NS;
      executor.part(panelsOf(gate), 2 * panelCost(input) + gateCost);
      multiply(input, acts, gate);
      multiply(input, acts, up);
      const at = args.put(g.offset, g.offset, u.offset, input.rows, g.width);
      executor.step(KERNELS.gate[activation], at);
      executor.run();
    },

    gate(gate, up, activation = "silu") {
      const [g, u] = [own(gate), own(up)];
      if (g.rows !== u.rows || g.width !== u.width) {
        throw new RangeError(
          `Cannot gate "${u.label}" [${u.shape.join(", ")}] with "${g.label}" [${g.shape.join(", ")}]`,
        );
      }
      const at = args.put(g.offset, g.offset, u.offset, g.rows, g.width);
      const panels = Math.ceil(g.width / PANEL_ROWS);
      share(panels, g.rows * PANEL_ROWS * GATE_NS, KERNELS.gate[activation], at);
    },

    addLowRank(out, x, factors, scales) {
      lowRank(own(out), own(x), factors, scales);
    },

    experts(out, x, router, layer) {
      routed(ops, own(out), own(x), own(router), layer);
    },

    gelu(x) {
      const { offset, rows, width } = own(x);
      share(rows, width * GATE_NS, KERNELS.gelu, args.put(offset, width));
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
      const { kvHeads, headDim } = kv;
      if (layout.blockSize % KV_BLOCK !== 0) {
        throw new RangeError(
          `Cannot page by ${layout.blockSize} positions: this backend's blocks are multiples of ${KV_BLOCK}`,
        );
      }
      if (heads % kvHeads !== 0) {
        throw new RangeError(`Cannot attend: ${heads} heads do not share ${kvHeads} key heads`);
      }
      const { slots, counts, blocks } = tablesOf(layout);
      share(
        kvHeads,
        2 * rows * headDim * ELEMENT_NS,
        kv.store,
        args.put(kv.offset, own(k).offset, own(v).offset, slots, rows, kvHeads, headDim),
      );
      const rowBytes = heads * headDim * 4;
      let table = blocks;
      for (let s = 0; s < counts.length; s++) {
        const count = counts[s]!;
        if (count === 0) continue;
        const first = layout.starts[s]!;
        const ownRows = layout.starts[s + 1]! - first;
        const tiles = Math.ceil(ownRows / ATTENTION_ROWS);
        executor.part(tiles * heads, (ownRows / tiles) * count * KV_BLOCK * headDim * LOOK_NS);
        executor.step(
          kv.attention,
          args.putFloat(
            options.scale,
            own(out).offset + first * rowBytes,
            own(q).offset + first * rowBytes,
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

function panelsOf(product: Product): number {
  return Math.ceil((product.weight.shape[0] ?? 0) / PANEL_ROWS);
}

function panelCost(x: WasmTensor): number {
  return x.rows * x.width * PANEL_ROWS * MULTIPLY_NS;
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
