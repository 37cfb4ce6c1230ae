import { exp } from "../numeric/exp.ts";

/** Which experts rows take, and how much each counts; both [rows, used], the largest first. */
export interface Routes {
  readonly experts: Uint32Array;
  readonly shares: Float32Array;
}

/**
 * The `used` experts with the largest values in each row of router[rows, experts], the first of equals, and
 * the softmax over those values. A row's result depends on that row alone, and its bits on no machine.
 * Throws `RangeError` unless there are as many experts.
 */
export function chooseExperts(router: Float32Array, experts: number, used: number): Routes {
  if (!(used >= 1 && used <= experts)) {
    throw new RangeError(`Cannot take ${used} of ${experts} experts`);
  }
  const rows = router.length / experts;
  const routes = {
    experts: new Uint32Array(rows * used),
    shares: new Float32Array(rows * used),
  };
  for (let row = 0; row < rows; row++) {
    const values = router.subarray(row * experts, (row + 1) * experts);
    const chosen = routes.experts.subarray(row * used, (row + 1) * used);
    for (let i = 0; i < used; i++) chosen[i] = largestBeside(values, chosen.subarray(0, i));
    let sum = 0;
    for (const expert of chosen) sum += exp(values[expert]! - values[chosen[0]!]!);
    for (const [i, expert] of chosen.entries()) {
      routes.shares[row * used + i] = exp(values[expert]! - values[chosen[0]!]!) / sum;
    }
  }
  return routes;
}

/** The first of the largest values that are not taken yet. */
function largestBeside(values: Float32Array, taken: Uint32Array): number {
  let best = -1;
  for (const [i, value] of values.entries()) {
    if (taken.includes(i)) continue;
    if (best < 0 || value > values[best]!) best = i;
  }
  return best;
}
