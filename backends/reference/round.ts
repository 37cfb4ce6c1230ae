import { fromFloat16, toFloat16 } from "../../core/numeric/float16.ts";
import { KV_GROUP, type KvType } from "../../core/tensor/kv-type.ts";

/** The largest quant of `q8_0`. */
const MOST = 127;

/** Round keys or values [heads, headDim] in place to what a cache of this type holds. */
export function roundHeads(type: KvType, values: Float32Array, headDim: number): void {
  if (type === "f16") {
    for (let i = 0; i < values.length; i++) values[i] = fromFloat16(toFloat16(values[i]!));
  } else if (type === "q8_0") {
    for (let head = 0; head < values.length; head += headDim) {
      for (let c = 0; c < headDim; c += KV_GROUP) {
        roundGroup(values.subarray(head + c, head + Math.min(c + KV_GROUP, headDim)));
      }
    }
  }
}

/** Values that share a scale; all NaN where one is not finite. Every step in float32, as kernels compute. */
function roundGroup(group: Float32Array): void {
  const most = group.reduce((sofar, value) => Math.max(sofar, Math.abs(value)), 0);
  const inverse = most > 0 ? Math.fround(MOST / most) : 0;
  const scale = fromFloat16(toFloat16(Number.isFinite(most) ? most / MOST : NaN));
  for (const [i, value] of group.entries()) {
    const quant = Math.max(-MOST - 1, Math.min(roundHalfEven(Math.fround(value * inverse)), MOST));
    group[i] = quant * scale;
  }
}

/** To the nearest integer, ties to even; exact for magnitudes far below 2^51. */
function roundHalfEven(value: number): number {
  // 1.5 · 2^52: beside it the step of float64 is one, and its rounding is to even.
  const shift = 1.5 * 2 ** 52;
  return value + shift - shift;
}
