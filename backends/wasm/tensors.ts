import type { WeightType } from "../../core/tensor/dtype.ts";
import { WEIGHT_TYPES } from "../../core/tensor/dtype.ts";
import { kernelId } from "./kernels.ts";
import type { KvLayer } from "../../core/tensor/backend.ts";
import type { Tensor } from "../../core/tensor/tensor.ts";

/** Rows that a panel holds side by side (`quant::ROWS`). */
export const PANEL_ROWS = 8;

/** Positions of a cache block (`attention::BLOCK`). */
export const KV_BLOCK = 16;

/** Query heads of one key head × head size that the attention kernel has room for (`attention::MAX_GROUP`). */
export const MAX_GROUP = 8192;

/** Query heads of one key head (`attention::MAX_GROUP_HEADS`). */
export const MAX_GROUP_HEADS = 128;

/** Bytes of one panel record: eight rows × the type's block (`Quant::RECORD`). */
const RECORD_BYTES: Readonly<Record<WeightType, number>> = {
  f32: 32,
  f16: 16,
  bf16: 16,
  q4_0: 16 + 128,
  q4_1: 32 + 128,
  q5_0: 16 + 32 + 128,
  q5_1: 32 + 32 + 128,
  q8_0: 16 + 256,
  q2_k: 32 + 8 * (32 + 64),
  q3_k: 16 + 8 * (16 + 32 + 64),
  q4_k: 32 + 8 * (16 + 128),
  q5_k: 32 + 8 * (16 + 32 + 128),
  q6_k: 16 + 8 * (16 + 64 + 128),
};

/** Bytes of one panel of `k` columns. */
export function panelBytes(type: WeightType, k: number): number {
  return (k / WEIGHT_TYPES[type].values) * RECORD_BYTES[type];
}

/** Whether a product with this type reads int8 activation records rather than f32. */
export function isQuantized(type: WeightType): boolean {
  return type !== "f32" && type !== "f16" && type !== "bf16";
}

/** A tensor in this backend's memory. Matrices of weights are in panels, all else is plain f32. */
export class WasmTensor implements Tensor {
  readonly label: string;
  readonly dtype: WeightType;
  readonly shape: readonly number[];
  readonly owner: object;
  readonly offset: number;
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
    offset: number,
    panels: boolean,
  ) {
    this.owner = owner;
    this.label = label;
    this.dtype = dtype;
    this.shape = shape;
    this.offset = offset;
    this.panels = panels;
    this.length = shape.reduce((product, size) => product * size, 1);
    this.matmul = kernelId(`matmul_${dtype}`);
    this.embed = kernelId(`embed_${dtype}`);
    this.rows = shape[0] ?? 1;
    this.width = shape.slice(1).reduce((product, size) => product * size, 1);
  }
}

/** One layer's cache: keys transposed by block, values as they come (see attention.rs). */
export class WasmKv implements KvLayer {
  readonly label: string;
  readonly slots: number;
  readonly owner: object;
  readonly keys: number;
  readonly values: number;
  readonly kvHeads: number;
  readonly headDim: number;

  constructor(
    owner: object,
    label: string,
    slots: number,
    at: { readonly keys: number; readonly values: number },
    heads: { readonly kvHeads: number; readonly headDim: number },
  ) {
    this.owner = owner;
    this.label = label;
    this.slots = slots;
    this.keys = at.keys;
    this.values = at.values;
    this.kvHeads = heads.kvHeads;
    this.headDim = heads.headDim;
  }
}
