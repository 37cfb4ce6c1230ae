import type { Ops } from "../../core/tensor/backend.ts";
import { expectShape, own } from "./tensors.ts";

/** What an adapter adds to a product, row by row: both sums in float64, rounded once. */
export const addLowRank: Ops["addLowRank"] = (out, x, { down, up, gain }, scales) => {
  const [o, i, a, b] = [own(out), own(x), own(down), own(up)];
  const [rank, k, m] = [a.rows, i.width, o.width];
  expectShape("add a low rank", o, i.rows, m);
  expectShape("add a low rank", a, rank, k);
  expectShape("add a low rank", b, m, rank);
  if (scales.length !== i.rows) {
    throw new RangeError(`Cannot scale ${i.rows} rows of "${o.label}" by ${scales.length} numbers`);
  }
  const inner = new Float64Array(rank);
  for (const [row, scale] of scales.entries()) {
    if (scale === 0) continue;
    for (let r = 0; r < rank; r++) {
      let sum = 0;
      for (let c = 0; c < k; c++) sum += i.values[row * k + c]! * a.values[r * k + c]!;
      inner[r] = sum * scale * gain;
    }
    for (let j = 0; j < m; j++) {
      let sum = 0;
      for (let r = 0; r < rank; r++) sum += inner[r]! * b.values[j * rank + r]!;
      o.values[row * m + j]! += sum;
    }
  }
};
