import type { Backend, KvLayer } from "../../../core/tensor/backend.ts";
import type { WeightType } from "../../../core/tensor/dtype.ts";
import type { Tensor } from "../../../core/tensor/tensor.ts";

/** A new activation tensor that holds `values`. */
export function upload(
  backend: Backend,
  shape: readonly number[],
  values: Float32Array,
  label = "input",
): Tensor {
  const tensor = backend.alloc(label, shape);
  backend.write(tensor, values);
  return tensor;
}

/** A copy of a tensor's values that outlives the next run. */
export async function download(backend: Backend, tensor: Tensor): Promise<Float32Array> {
  return (await backend.read(tensor)).slice();
}

/** Load a weight from its bytes. */
export function loadBytes(
  backend: Backend,
  type: WeightType,
  shape: readonly number[],
  bytes: Uint8Array,
): Promise<Tensor> {
  return backend.loadWeight("weight", type, shape, (offset, into) => {
    into.set(bytes.subarray(offset, offset + into.length));
    return Promise.resolve();
  });
}

/** Load a float32 weight from its values. */
export function loadValues(
  backend: Backend,
  shape: readonly number[],
  values: Float32Array,
): Promise<Tensor> {
  return loadBytes(backend, "f32", shape, new Uint8Array(values.slice().buffer));
}

/** A tensor and a cache that no backend made. */
export const FOREIGN: Tensor & KvLayer = {
  label: "foreign.weight",
  dtype: "f32",
  shape: [4, 4],
  slots: 16,
};

/** ‖actual - expected‖ / max(‖expected‖, least); NaN where either holds one. */
export function relativeError(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  least = 1e-30,
): number {
  if (actual.length !== expected.length) return NaN;
  let difference = 0;
  let size = 0;
  for (let i = 0; i < expected.length; i++) {
    difference += (actual[i]! - expected[i]!) ** 2;
    size += expected[i]! ** 2;
  }
  return Math.sqrt(difference) / Math.max(Math.sqrt(size), least);
}

/** Euclidean norm. */
export function norm(values: ArrayLike<number>): number {
  let squares = 0;
  for (let i = 0; i < values.length; i++) squares += values[i]! ** 2;
  return Math.sqrt(squares);
}

/** The bits of floats: equality that tells 0 from -0. */
export function bits(values: Float32Array): Uint32Array {
  return new Uint32Array(values.slice().buffer);
}
