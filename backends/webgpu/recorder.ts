import type {
  Experts,
  GateActivation,
  KvLayer,
  LowRank,
  Ops,
  Product,
  RopeStyle,
} from "../../core/tensor/backend.ts";
import type { Tensor } from "../../core/tensor/tensor.ts";
import { attentionGroup } from "./attention-group.ts";
import { positionsRead } from "./row-tiles.ts";
import type { StepTables } from "./step-tables.ts";
import {
  type Activations,
  expectShape,
  type GpuKv,
  type GpuTensor,
  MAX_HEAD_DIM,
  sameTensor,
  type Weights,
} from "./tensors.ts";

/** A product whose operands are checked. */
export interface RecordedProduct {
  readonly weight: Weights;
  readonly out: Activations;
  /** Where it is added, as f32. */
  readonly bias?: Weights;
}

/** What a step does, one after another: checked, and without what differs from step to step. */
export type Op =
  | { kind: "embed"; out: Activations; table: Weights; entry: number }
  | { kind: "rmsNorm"; out: Activations; x: Activations; weight: Weights; eps: number }
  | { kind: "matmul"; x: Activations; products: readonly RecordedProduct[] }
  | { kind: "rope"; x: Activations; rotation: Activations; style: RopeStyle }
  | AttentionOp
  | {
      kind: "gated";
      x: Activations;
      gate: RecordedProduct;
      up: RecordedProduct;
      activation: GateActivation;
    }
  | { kind: "gate"; gate: Activations; up: Activations; activation: GateActivation }
  | LowRankOp
  | ExpertsOp
  | {
      kind: "layerNorm";
      out: Activations;
      x: Activations;
      weight: Weights;
      bias: Weights;
      eps: number;
    }
  | { kind: "gelu"; x: Activations }
  | { kind: "scale"; x: Activations; factor: number }
  | { kind: "addTo"; x: Activations; y: Activations }
  | { kind: "gather"; out: Activations; x: Activations; entry: number };

/** What an adapter adds to a product. */
export type LowRankOp = {
  kind: "addLowRank";
  out: Activations;
  x: Activations;
  down: Weights;
  up: Weights;
  gain: number;
  /** Of the rows' scales among the step's tables. */
  entry: number;
};

/** A layer of experts. */
export type ExpertsOp = {
  kind: "experts";
  out: Activations;
  x: Activations;
  router: Activations;
  gate: Weights;
  up: Weights;
  down: Weights;
  used: number;
  tally: Activations;
};

/** Attention of a step. */
export type AttentionOp = {
  kind: "attention";
  out: Activations;
  q: Activations;
  k: Activations;
  v: Activations;
  kv: GpuKv;
  /** First entry of the layout among the step's tables. */
  entry: number;
  /** Entry of its tiles, and rows that a tile may have. */
  tiles: number;
  tileRows: number;
  scale: number;
  /** Positions that a row sees; 2^32 - 1 for all. */
  window: number;
  /** Whether a row sees the later ones of its sequence too. */
  bidirectional: boolean;
};

/** Columns that the kernel of experts reads at a time (kernels-wgsl/experts-matvec.wgsl). */
const EXPERT_COLUMNS = 32;

/** The window of attention that has none. */
const ALL = 0xffffffff;

/** Turns a backend's tensors into our own, or throws `TypeError`. */
export interface Owner {
  activations(tensor: Tensor): Activations;
  weights(tensor: Tensor): Weights;
  kv(kv: KvLayer): GpuKv;
}

/** Checks and collects the operations of a step. */
export class Recorder implements Ops {
  readonly ops: Op[] = [];
  /** For each attention: positions that it sees times the bytes of a position in its cache. */
  readonly cacheReads: number[] = [];
  readonly #own: Owner;
  readonly #tables: StepTables;
  readonly #positionBytes: (kv: GpuKv, reads: number) => number;

  constructor(own: Owner, tables: StepTables, positionBytes: (kv: GpuKv, reads: number) => number) {
    this.#own = own;
    this.#tables = tables;
    this.#positionBytes = positionBytes;
  }

  /** Forget the step before. */
  begin(): void {
    this.ops.length = 0;
    this.cacheReads.length = 0;
    this.#tables.begin();
  }

  embed(out: Tensor, table: Tensor, tokens: Uint32Array): void {
    const [o, t] = [this.#own.activations(out), this.#own.weights(table)];
    expectShape("embed", o, tokens.length, t.width);
    const entry = this.#tables.list("embed", t.label, tokens, t.rows);
    this.ops.push({ kind: "embed", out: o, table: t, entry });
  }

  rmsNorm(out: Tensor, x: Tensor, weight: Tensor, eps: number): void {
    const [o, i] = [this.#own.activations(out), this.#own.activations(x)];
    const w = this.#vector("normalise", weight);
    expectShape("normalise", o, i.rows, i.width);
    if (i.width % w.rows !== 0) {
      throw new RangeError(`Cannot normalise ${i.width} values by "${w.label}" of ${w.rows}`);
    }
    this.ops.push({ kind: "rmsNorm", out: o, x: i, weight: w, eps });
  }

  layerNorm(out: Tensor, x: Tensor, weight: Tensor, bias: Tensor, eps: number): void {
    const [o, i] = [this.#own.activations(out), this.#own.activations(x)];
    const [w, b] = [this.#vector("normalise", weight), this.#vector("normalise", bias)];
    expectShape("normalise", o, i.rows, i.width);
    expectShape("normalise", w, i.width, 1);
    expectShape("normalise", b, i.width, 1);
    this.ops.push({ kind: "layerNorm", out: o, x: i, weight: w, bias: b, eps });
  }

  matmul(x: Tensor, products: readonly Product[]): void {
    const input = this.#own.activations(x);
    const recorded = products.map((product) => this.#product(input, product));
    this.ops.push({ kind: "matmul", x: input, products: recorded });
  }

  rope(x: Tensor, rotation: Tensor, style: RopeStyle): void {
    const [t, turns] = [this.#own.activations(x), this.#own.activations(rotation)];
    expectShape("rotate", turns, t.rows, turns.width);
    const headDim = t.shape.at(-1)!;
    if (turns.width > headDim || headDim > MAX_HEAD_DIM) {
      throw new RangeError(
        `Cannot rotate "${t.label}": heads of ${headDim}, ${turns.width} rotate, ${MAX_HEAD_DIM} are possible`,
      );
    }
    this.ops.push({ kind: "rope", x: t, rotation: turns, style });
  }

  attention(...args: Parameters<Ops["attention"]>): void {
    const [out, q, k, v, kv, layout, options] = args;
    const { scale, window = ALL, bidirectional = false } = options;
    const [o, queries] = [this.#own.activations(out), this.#own.activations(q)];
    const [keys, values] = [this.#own.activations(k), this.#own.activations(v)];
    const cache = this.#own.kv(kv);
    const { kvHeads, headDim } = cache.shape;
    const heads = queries.width / headDim;
    expectShape("attend", keys, queries.rows, kvHeads * headDim);
    expectShape("attend", values, queries.rows, kvHeads * headDim);
    expectShape("attend", o, queries.rows, heads * headDim);
    if (!Number.isInteger(heads / kvHeads)) {
      throw new RangeError(`Cannot attend: ${heads} heads do not share ${kvHeads} key-value heads`);
    }
    if (layout.blockSize % 16 !== 0) {
      throw new RangeError(`Cannot attend in blocks of ${layout.blockSize}: expected sixteens`);
    }
    const entry = this.#tables.layout(layout, queries.rows, cache.label, cache.slots);
    const { chunks, rows } = attentionGroup(heads, cache.shape);
    // Answers alone have nothing to share, and take less room than that of several rows.
    const tileRows = layout.starts.length - 1 === queries.rows ? 1 : rows;
    const { index: tiles, tiles: all } = this.#tables.tiles(layout, tileRows);
    this.cacheReads.push(positionsRead(layout, all, options) * this.#positionBytes(cache, chunks));
    this.ops.push({
      kind: "attention",
      out: o,
      q: queries,
      k: keys,
      v: values,
      kv: cache,
      entry,
      tiles,
      tileRows,
      scale,
      window,
      bidirectional,
    });
  }

  gatedMatmul(x: Tensor, gate: Product, up: Product, activation: GateActivation = "silu"): void {
    const input = this.#own.activations(x);
    const [g, u] = [this.#product(input, gate), this.#product(input, up)];
    expectShape("gate", u.out, g.out.rows, g.out.width);
    this.ops.push({ kind: "gated", x: input, gate: g, up: u, activation });
  }

  gate(gate: Tensor, up: Tensor, activation: GateActivation = "silu"): void {
    const [g, u] = [this.#own.activations(gate), this.#own.activations(up)];
    expectShape("gate", u, g.rows, g.width);
    this.ops.push({ kind: "gate", gate: g, up: u, activation });
  }

  addLowRank(out: Tensor, x: Tensor, factors: LowRank, scales: Float32Array): void {
    const [o, i] = [this.#own.activations(out), this.#own.activations(x)];
    const [down, up] = [this.#own.weights(factors.down), this.#own.weights(factors.up)];
    expectShape("add a low rank", down, down.rows, i.width);
    expectShape("add a low rank", up, o.width, down.rows);
    expectShape("add a low rank", o, i.rows, up.rows);
    if (scales.length !== i.rows) {
      throw new RangeError(
        `Cannot scale ${i.rows} rows of "${o.label}" by ${scales.length} numbers`,
      );
    }
    const entry = this.#tables.floats(scales);
    this.ops.push({ kind: "addLowRank", out: o, x: i, down, up, gain: factors.gain, entry });
  }

  experts(out: Tensor, x: Tensor, router: Tensor, layer: Experts): void {
    const [o, i] = [this.#own.activations(out), this.#own.activations(x)];
    const [choice, tally] = [this.#own.activations(router), this.#own.activations(layer.tally)];
    const gate = this.#own.weights(layer.gate);
    const [up, down] = [this.#own.weights(layer.up), this.#own.weights(layer.down)];
    const [count = 0, hidden = 0] = gate.shape;
    const d = i.width;
    expectShape("take experts", o, i.rows, d);
    expectShape("take experts", choice, i.rows, count);
    expectShape("take experts", tally, count, 1);
    expectShape("take experts", gate, count, hidden * d);
    expectShape("take experts", up, count, hidden * d);
    expectShape("take experts", down, count, d * hidden);
    if (d % EXPERT_COLUMNS !== 0 || hidden % EXPERT_COLUMNS !== 0) {
      throw new RangeError(
        `Cannot take experts of "${gate.label}" [${gate.shape.join(", ")}]: expected multiples of ${EXPERT_COLUMNS}`,
      );
    }
    if (!(layer.used >= 1 && layer.used <= count)) {
      throw new RangeError(`Cannot take ${layer.used} of ${count} experts`);
    }
    this.ops.push({
      kind: "experts",
      out: o,
      x: i,
      router: choice,
      gate,
      up,
      down,
      used: layer.used,
      tally,
    });
  }

  gelu(x: Tensor): void {
    this.ops.push({ kind: "gelu", x: this.#own.activations(x) });
  }

  scale(x: Tensor, factor: number): void {
    this.ops.push({ kind: "scale", x: this.#own.activations(x), factor });
  }

  addTo(x: Tensor, y: Tensor): void {
    const [a, b] = [this.#own.activations(x), this.#own.activations(y)];
    expectShape("add", b, a.rows, a.width);
    this.ops.push({ kind: "addTo", x: a, y: b });
  }

  gather(out: Tensor, x: Tensor, rows: Uint32Array): void {
    const [o, i] = [this.#own.activations(out), this.#own.activations(x)];
    expectShape("gather", o, rows.length, i.width);
    const entry = this.#tables.list("gather", i.label, rows, i.rows);
    this.ops.push({ kind: "gather", out: o, x: i, entry });
  }

  #product(x: Activations, { weight, out, bias }: Product): RecordedProduct {
    const [w, o] = [this.#own.weights(weight), this.#own.activations(out)];
    expectShape("multiply", w, w.rows, x.width);
    expectShape("multiply", o, x.rows, w.rows);
    if (bias === undefined) return { weight: w, out: o };
    const b = this.#vector("multiply", bias);
    expectShape("multiply", b, w.rows, 1);
    return { weight: w, out: o, bias: b };
  }

  /** A vector that kernels read in one place, as f32. */
  #vector(operation: string, tensor: Tensor): Weights {
    const vector = this.#own.weights(tensor);
    if (vector.dtype === "f32" && vector.place.parts.length === 1) return vector;
    throw new RangeError(`Cannot ${operation} by "${vector.label}": expected a vector of f32`);
  }
}

/** Whether two steps do the same with the same memory, so that one's dispatches serve the other. */
export function sameOps(a: readonly Op[], b: readonly Op[]): boolean {
  return a.length === b.length && a.every((op, i) => sameOp(op, b[i]!));
}

function sameOp(a: Op, b: Op): boolean {
  if (a.kind !== b.kind) return false;
  const left: Fields = a;
  const right: Fields = b;
  for (const key in left) {
    if (!sameField(left[key], right[key])) return false;
  }
  return true;
}

type Fields = { readonly [name: string]: unknown };

function sameField(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, i) => sameField(item, b[i]));
  }
  if ("place" in a && "place" in b) return sameShape(a as GpuTensor, b as GpuTensor);
  if ("weight" in a && "weight" in b) {
    const [left, right] = [a as RecordedProduct, b as RecordedProduct];
    const same = sameShape(left.weight, right.weight) && sameShape(left.out, right.out);
    return same && left.bias === right.bias;
  }
  return false;
}

/** Heads of the same rows may be cut differently. */
function sameShape(a: GpuTensor, b: GpuTensor): boolean {
  return sameTensor(a, b) && a.shape.at(-1) === b.shape.at(-1);
}
