import { exp } from "../numeric/exp.ts";
import {
  changeLogits,
  type Draw,
  type LogitQuery,
  type LogitSummary,
  maskLogits,
  pickLogits,
} from "./logits.ts";
import { maximum, selectTop } from "./order.ts";

/**
 * Answer a query by plain loops in float64: what backends without a kernel for it do, and the oracle
 * of those with one. `row`[vocab] is changed where the query says so.
 */
export function reduceLogits(row: Float32Array, query: LogitQuery): LogitSummary {
  const tokenLogits = pickLogits(row, query.tokens);
  if (query.mask !== undefined) maskLogits(row, query.mask);
  if (query.changes !== undefined) changeLogits(row, query.changes);
  const max = maximum(row) + 0; // -0 is 0, whichever of them came first
  const k = Math.min(query.k, row.length);
  const ids = new Uint32Array(k);
  if (k > 0) selectTop(row, k, new Float64Array(row.length), ids);
  const drawn = query.draw === undefined ? -1 : drawLogit(row, max, query.draw);
  return {
    tokenLogits,
    ids,
    logits: Float32Array.from(ids, (id) => row[id]!),
    max,
    mass: query.mass === true ? massOf(row, max, 1) : 0,
    drawn,
    drawnLogit: drawn < 0 ? -Infinity : row[drawn]!,
  };
}

/** e^((logit - max) / temperature), also where both are the same infinity; 0 for NaN. */
export function weightOf(logit: number, max: number, temperature: number): number {
  if (logit === max) return 1;
  const weight = exp((logit - max) / temperature);
  // NaN or, where every logit is -Infinity or NaN, no difference at all: both are impossible tokens.
  return weight <= 1 ? weight : 0;
}

/** The sum of a row's weights, by ascending id. */
function massOf(row: Float32Array, max: number, temperature: number): number {
  let mass = 0;
  for (let id = 0; id < row.length; id++) mass += weightOf(row[id]!, max, temperature);
  return mass;
}

/** See {@linkcode Draw}. */
export function drawLogit(row: Float32Array, max: number, { temperature, random }: Draw): number {
  const target = random * massOf(row, max, temperature);
  let last = 0;
  for (let id = 0, sum = 0; id < row.length; id++) {
    const weight = weightOf(row[id]!, max, temperature);
    if (weight === 0) continue;
    sum += weight;
    if (sum > target) return id;
    last = id;
  }
  // Rounding may leave the target at the sum itself.
  return last;
}
