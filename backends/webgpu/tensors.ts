import type { KvLayer, KvShape } from "../../core/tensor/backend.ts";
import type { KvType } from "../../core/tensor/kv-type.ts";
import { KV_GROUP } from "../../core/tensor/kv-type.ts";
import type { DType, Tensor } from "../../core/tensor/tensor.ts";

/** Positions of a cache block (kernels-wgsl/cache.wgsl). */
export const KV_BLOCK = 16;

/** A head fits into a workgroup's memory (kernels-wgsl/rope-store.wgsl, attention.wgsl). */
export const MAX_HEAD_DIM = 384;

/** Rows of a weight that lie in one arena. */
export interface Part {
  readonly arena: number;
  /** Word of the arena where the first of them begins. */
  readonly word: number;
  readonly firstRow: number;
  readonly rows: number;
}

/** Where a tensor's values are: in arenas of weights, or from a word of the activations on. */
export type Place =
  | { readonly kind: "weights"; readonly parts: readonly Part[] }
  | { readonly kind: "activations"; readonly word: number; readonly rows: number };

/** A tensor on the device. Views share the `place` of the whole. */
export class GpuTensor<P extends Place = Place> implements Tensor {
  readonly label: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly owner: object;
  readonly place: P;
  readonly rows: number;
  /** Values of one row. */
  readonly width: number;

  constructor(owner: object, label: string, dtype: DType, shape: readonly number[], place: P) {
    this.owner = owner;
    this.label = label;
    this.dtype = dtype;
    this.shape = shape;
    this.place = place;
    this.rows = shape[0] ?? 1;
    this.width = sizeOf(shape.slice(1));
  }

  get length(): number {
    return this.rows * this.width;
  }
}

/** A tensor of activations. */
export type Activations = GpuTensor<Extract<Place, { kind: "activations" }>>;

/** A weight. */
export type Weights = GpuTensor<Extract<Place, { kind: "weights" }>>;

/** One layer's cache. */
export class GpuKv implements KvLayer {
  readonly label: string;
  readonly slots: number;
  readonly owner: object;
  readonly shape: KvShape;
  readonly buffer: GPUBuffer;
  /** Which of the backend's caches it is. */
  readonly index: number;

  constructor(
    owner: object,
    label: string,
    slots: number,
    shape: KvShape,
    buffer: GPUBuffer,
    index: number,
  ) {
    this.owner = owner;
    this.label = label;
    this.slots = slots;
    this.shape = shape;
    this.buffer = buffer;
    this.index = index;
  }
}

/** Bytes of one head's keys (or values) at one position; scales of q8_0 take a word each. */
export function kvHeadBytes(type: KvType, headDim: number): number {
  if (type === "q8_0") return headDim + 4 * Math.ceil(headDim / KV_GROUP);
  return headDim * (type === "f16" ? 2 : 4);
}

/** Words of four dimensions of a head. */
const QUAD_WORDS: Readonly<Record<KvType, number>> = { f32: 4, f16: 2, q8_0: 1 };

/** A part of a layer's cache: its first word, and how many each slot has there. */
export interface KvPart {
  readonly word: number;
  readonly slotWords: number;
}

/** Keys, values, scales of keys and scales of values: what `CacheShape` of kernels-wgsl/cache.wgsl tells. */
export function kvParts({ slots, shape }: GpuKv): readonly [KvPart, KvPart, KvPart, KvPart] {
  const { kvHeads, headDim, type } = shape;
  const values = kvHeads * Math.ceil(headDim / 4) * QUAD_WORDS[type];
  const scales = type === "q8_0" ? kvHeads * Math.ceil(headDim / KV_GROUP) : 0;
  return [
    { word: 0, slotWords: values },
    { word: slots * values, slotWords: values },
    { word: 2 * slots * values, slotWords: scales },
    { word: slots * (2 * values + scales), slotWords: scales },
  ];
}

/** Elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((size, dimension) => size * dimension, 1);
}

/** Whether two tensors are the same rows of the same memory. */
export function sameTensor(a: GpuTensor, b: GpuTensor): boolean {
  return a === b || (a.place === b.place && a.rows === b.rows && a.width === b.width);
}

/** Throws `RangeError` unless `tensor` is `rows` rows of `width` elements. */
export function expectShape(
  operation: string,
  tensor: GpuTensor,
  rows: number,
  width: number,
): void {
  if (tensor.rows === rows && tensor.width === width) return;
  throw new RangeError(
    `Cannot ${operation}: "${tensor.label}" is [${tensor.shape.join(", ")}] and not [${rows}, ${width}]`,
  );
}

/** The next multiple of `step`, a power of two. */
export function align(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}
