import type { Ops } from "../../core/tensor/backend.ts";
import { chooseExperts } from "../../core/tensor/route.ts";
import { ACTIVATIONS } from "./activations.ts";
import { multiply } from "./multiply.ts";
import type { ReferenceTensor } from "./tensors.ts";
import { expectShape, own } from "./tensors.ts";

/** A feed-forward layer of experts, row by row; see {@linkcode Ops.experts}. */
export const experts: Ops["experts"] = (out, x, router, layer) => {
  const [o, a, choice, tally] = [own(out), own(x), own(router), own(layer.tally)];
  const [gate, up, down] = [own(layer.gate), own(layer.up), own(layer.down)];
  const [count = 0, m = 0] = gate.shape;
  const d = a.width;
  expectShape("take experts", choice, a.rows, count);
  expectShape("take experts", gate, count, m * d);
  expectShape("take experts", up, count, m * d);
  expectShape("take experts", down, count, d * m);
  expectShape("take experts", o, a.rows, d);
  expectShape("take experts", tally, count, 1);

  const routes = chooseExperts(choice.values.subarray(0, a.rows * count), count, layer.used);
  const [gated, ups, answer] = [new Float32Array(m), new Float32Array(m), new Float32Array(d)];
  const sums = new Float64Array(d);
  for (let row = 0; row < a.rows; row++) {
    const input = a.values.subarray(row * d, (row + 1) * d);
    sums.fill(0);
    for (let i = row * layer.used; i < (row + 1) * layer.used; i++) {
      const expert = routes.experts[i]!;
      tally.values[expert]! += 1;
      multiply(gated, input, weightOf(gate, expert), 1, m, d);
      multiply(ups, input, weightOf(up, expert), 1, m, d);
      for (let c = 0; c < m; c++) gated[c] = ACTIVATIONS.silu(gated[c]!) * ups[c]!;
      multiply(answer, gated, weightOf(down, expert), 1, d, m);
      for (let c = 0; c < d; c++) sums[c]! += routes.shares[i]! * answer[c]!;
    }
    o.values.set(sums, row * d);
  }
};

/** One expert's matrix. */
function weightOf({ values, width }: ReferenceTensor, expert: number): Float32Array {
  return values.subarray(expert * width, (expert + 1) * width);
}
