import type { KvLayer, KvShape } from "../../core/tensor/backend.ts";
import type { KvType } from "../../core/tensor/kv-type.ts";
import type { DType, Tensor } from "../../core/tensor/tensor.ts";

/** A tensor of the reference backend: all of it, weights too, is float32 in JavaScript's memory. */
export class ReferenceTensor implements Tensor {
  readonly label: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly values: Float32Array;

  constructor(label: string, dtype: DType, shape: readonly number[], values: Float32Array) {
    this.label = label;
    this.dtype = dtype;
    this.shape = shape;
    this.values = values;
  }

  /** Rows: the first dimension. */
  get rows(): number {
    return this.shape[0] ?? 1;
  }

  /** Elements of a row: all other dimensions. */
  get width(): number {
    return sizeOf(this.shape.slice(1));
  }
}

/** One layer's keys and values, position by position: rounded as `type` has it, but kept as float32. */
export class ReferenceKv implements KvLayer {
  readonly label: string;
  readonly slots: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly type: KvType;
  readonly keys: Float32Array; // [slots, kvHeads, headDim]
  readonly values: Float32Array; // [slots, kvHeads, headDim]

  constructor(label: string, slots: number, { kvHeads, headDim, type }: KvShape) {
    this.label = label;
    this.slots = slots;
    this.kvHeads = kvHeads;
    this.headDim = headDim;
    this.type = type;
    this.keys = allocate(label, [slots, kvHeads, headDim]);
    this.values = allocate(label, [slots, kvHeads, headDim]);
  }
}

/** Elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((size, dimension) => size * dimension, 1);
}

/** Zeroed memory for a shape. Throws `RangeError` when it cannot fit. */
export function allocate(label: string, shape: readonly number[]): Float32Array {
  try {
    return new Float32Array(sizeOf(shape));
  } catch (cause) {
    throw new RangeError(`Cannot allocate "${label}" [${shape.join(", ")}]`, { cause });
  }
}

/** Our own tensor, or a `TypeError`. */
export function own(tensor: Tensor): ReferenceTensor {
  if (tensor instanceof ReferenceTensor) return tensor;
  throw new TypeError(`Cannot use tensor "${tensor.label}": it belongs to another backend`);
}

/** Our own cache, or a `TypeError`. */
export function ownKv(kv: KvLayer): ReferenceKv {
  if (kv instanceof ReferenceKv) return kv;
  throw new TypeError(`Cannot use cache "${kv.label}": it belongs to another backend`);
}

/** Where `count` slots from `first` on lie in a cache's keys and values, or a `RangeError`. */
export function slotsOf(
  kv: KvLayer,
  first: number,
  count: number,
): Pick<ReferenceKv, "keys" | "values"> & { readonly from: number; readonly to: number } {
  const { label, slots, kvHeads, headDim, keys, values } = ownKv(kv);
  if (![first, count].every((n) => Number.isInteger(n) && n >= 0) || first + count > slots) {
    throw new RangeError(
      `Cannot reach ${count} slots from ${first} on of "${label}": it has ${slots}`,
    );
  }
  const width = kvHeads * headDim;
  return { keys, values, from: first * width, to: (first + count) * width };
}

/** Throws `RangeError` unless `tensor` is `rows` rows of `width` elements. */
export function expectShape(
  operation: string,
  tensor: ReferenceTensor,
  rows: number,
  width: number,
): void {
  if (tensor.rows === rows && tensor.width === width) return;
  throw new RangeError(
    `Cannot ${operation}: "${tensor.label}" is [${tensor.shape.join(", ")}] and not [${rows}, ${width}]`,
  );
}
