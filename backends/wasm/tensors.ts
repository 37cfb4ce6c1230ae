import type { WeightType } from "../../core/tensor/dtype.ts";
import { WEIGHT_TYPES } from "../../core/tensor/dtype.ts";
import { kvHeadBytes } from "../../core/tensor/kv-type.ts";
import { kernelId } from "./kernels.ts";
import type { KvLayer, KvShape } from "../../core/tensor/backend.ts";
import type { Tensor } from "../../core/tensor/tensor.ts";

/** Rows that a panel holds side by side (`quant::ROWS`). */
export const PANEL_ROWS = 8;

/** Positions of a cache block (`kv::BLOCK`). */
export const KV_BLOCK = 16;

/** Largest head size that the attention kernel has room for (`kv::MAX_HEAD_DIM`). */
export const MAX_HEAD_DIM = 512;

/** Bytes of the largest build's activation record, of one row's 32 columns (`activation::RECORD`). */
export const ACTIVATION_BYTES = 96;

/** Bytes of one panel record: eight rows × the type's block (`Quant::RECORD`). */
const RECORD_BYTES: Readonly<Record<WeightType, number>> = {
  f32: 32,
  f16: 16,
  bf16: 16,
  q4_0: 16 + 128,
  q4_1: 32 + 128,
  q5_0: 16 + 32 + 128,
  q5_1: 32 + 32 + 128,
  q8_0: 32 + 256,
  q2_k: 32 + 8 * (32 + 64),
  q3_k: 16 + 8 * (16 + 32 + 64),
  q4_k: 32 + 8 * (16 + 128),
  q5_k: 32 + 8 * (16 + 32 + 128),
  q6_k: 16 + 8 * (16 + 64 + 128),
  iq4_nl: 16 + 128,
  iq4_xs: 16 + 8 * (8 + 128),
  mxfp4: 32 + 128,
};

/** Bytes of one panel of `k` columns. */
export function panelBytes(type: WeightType, k: number): number {
  return (k / WEIGHT_TYPES[type].values) * RECORD_BYTES[type];
}

/** Whether a product with this type reads int8 activation records rather than f32. */
export function isQuantized(type: WeightType): boolean {
  return type !== "f32" && type !== "f16" && type !== "bf16";
}

/** The memory that has all activations, vectors and arguments; matrices and caches may be in others. */
export const HOME = 0;

/** Consecutive rows of a matrix that are together in one memory. */
export interface Piece {
  readonly memory: number;
  readonly offset: number;
  readonly firstRow: number;
  readonly rows: number;
}

/** A tensor in this backend's memories. Matrices of weights are in panels, all else is plain f32. */
export class WasmTensor implements Tensor {
  readonly label: string;
  readonly dtype: WeightType;
  readonly shape: readonly number[];
  readonly owner: object;
  /** Where its rows are, in order. */
  readonly pieces: readonly Piece[];
  /** Values of plain f32 tensors, by their shape. */
  readonly length: number;
  readonly panels: boolean;
  /** Kernels of this type, by their ids. */
  readonly matmul: number;
  readonly embed: number;
  readonly rows: number;
  /** Values of one row. */
  readonly width: number;

  constructor(
    owner: object,
    label: string,
    dtype: WeightType,
    shape: readonly number[],
    place: number | readonly Piece[],
    panels: boolean,
  ) {
    this.owner = owner;
    this.label = label;
    this.dtype = dtype;
    this.shape = shape;
    this.panels = panels;
    this.length = shape.reduce((product, size) => product * size, 1);
    this.matmul = kernelId(`matmul_${dtype}`);
    this.embed = kernelId(`embed_${dtype}`);
    this.rows = shape[0] ?? 1;
    this.width = shape.slice(1).reduce((product, size) => product * size, 1);
    this.pieces =
      typeof place === "number"
        ? [{ memory: HOME, offset: place, firstRow: 0, rows: this.rows }]
        : place;
  }

  /** Whether all of it is in the home memory, at one place. */
  get isHome(): boolean {
    return this.pieces.length === 1 && this.pieces[0]!.memory === HOME;
  }

  /** Its offset in the home memory. Throws `TypeError` where it is elsewhere. */
  get offset(): number {
    if (this.isHome) return this.pieces[0]!.offset;
    throw new TypeError(`Cannot take the offset of "${this.label}": it is not in the home memory`);
  }
}

/** Bytes of one layer's cache. */
export function kvLayerBytes(slots: number, { kvHeads, headDim, type }: KvShape): number {
  return slots * kvHeads * 2 * kvHeadBytes(type, headDim);
}

/** One layer's cache, block after block (see kv.rs). */
export class WasmKv implements KvLayer {
  readonly label: string;
  readonly slots: number;
  readonly owner: object;
  readonly memory: number;
  readonly offset: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** Bytes of one slot, keys and values of all heads; a block's are together. */
  readonly slotBytes: number;
  /** Kernels of this type, by their ids. */
  readonly store: number;
  readonly attention: number;

  constructor(
    owner: object,
    label: string,
    slots: number,
    memory: number,
    offset: number,
    { kvHeads, headDim, type }: KvShape,
  ) {
    this.owner = owner;
    this.label = label;
    this.slots = slots;
    this.memory = memory;
    this.offset = offset;
    this.kvHeads = kvHeads;
    this.headDim = headDim;
    this.slotBytes = 2 * kvHeads * kvHeadBytes(type, headDim);
    this.store = kernelId(`kv_store_${type}`);
    this.attention = kernelId(`attention_${type}`);
  }
}
