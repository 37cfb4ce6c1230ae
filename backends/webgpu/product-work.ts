import { byteLength } from "../../core/tensor/dtype.ts";
import type { MatmulRequest, Work } from "./spec.ts";

/** Bytes of a value of activations. */
const VALUE = 4;

/** What products do with memory where each weight is read `reads` times. */
export function productWork(
  { type, n, k, products, epilogue }: MatmulRequest,
  reads: number,
): Work {
  const rows = products.map((product) => product.rows);
  const bytes = rows.reduce((sum, count) => sum + byteLength(type, count * k), 0);
  const outputs = rows.reduce((sum, count) => sum + count, 0);
  // A sum is read and written beside the product; of gate and up one result is written.
  const values = { store: outputs, add: 3 * outputs, gate: outputs / 2 }[epilogue.type];
  return {
    shape: `${rows.join(" + ")} × ${k}`,
    weightBytes: reads * bytes,
    leastWeightBytes: bytes,
    activationBytes: VALUE * n * (k + values),
    cacheBytes: 0,
  };
}
