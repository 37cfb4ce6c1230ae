import { uniform } from "../../../core/sampler/random.ts";
import type { SamplingParams } from "../../../core/sampler/params.ts";

/*
 * Sampling as one would explain it: sort everything, use Math, allocate freely. Only for finite logits.
 */

export interface Candidate {
  readonly id: number;
  readonly logit: number;
}

export function softmax(candidates: readonly Candidate[], temperature = 1): number[] {
  const max = Math.max(...candidates.map((c) => c.logit));
  const weights = candidates.map((c) => Math.exp((c.logit - max) / temperature));
  const mass = weights.reduce((a, b) => a + b, 0);
  return weights.map((w) => w / mass);
}

/** Length of the shortest beginning whose sum satisfies `enough`. */
function prefix(values: readonly number[], enough: (sum: number) => boolean): number {
  let sum = 0;
  for (const [i, value] of values.entries()) {
    sum += value;
    if (enough(sum)) return i + 1;
  }
  return values.length;
}

/** Logits after bias and penalties, rounded to float32 as they are stored. */
export function penalised(
  logits: readonly number[],
  tokens: readonly number[],
  params: SamplingParams,
): number[] {
  const out = logits.map(Math.fround);
  for (const [token, bias] of params.logitBias) out[token] = Math.fround(out[token]! + bias);
  const last = params.repeatLastN;
  const seen = last < 0 ? tokens : last === 0 ? [] : tokens.slice(-last);
  for (const token of new Set(seen)) {
    const count = seen.filter((t) => t === token).length;
    const logit = out[token]!;
    const repeated = logit <= 0 ? logit * params.repeatPenalty : logit / params.repeatPenalty;
    out[token] = Math.fround(repeated - count * params.frequencyPenalty - params.presencePenalty);
  }
  return out;
}

/** The tokens that the truncating steps leave, likeliest first. */
export function kept(logits: readonly number[], params: SamplingParams): Candidate[] {
  let list = logits
    .map((logit, id) => ({ id, logit }))
    .toSorted((a, b) => b.logit - a.logit || a.id - b.id);
  if (params.topK > 0) list = list.slice(0, params.topK);
  if (params.typicalP < 1) {
    const p = softmax(list);
    const entropy = p.reduce((sum, x) => (x > 0 ? sum - x * Math.log(x) : sum), 0);
    const order = list
      .map((candidate, i) => ({ candidate, p: p[i]!, shift: Math.abs(-Math.log(p[i]!) - entropy) }))
      .toSorted((a, b) => a.shift - b.shift);
    const n = prefix(
      order.map((o) => o.p),
      (sum) => sum > params.typicalP,
    );
    const chosen = new Set(order.slice(0, n).map((o) => o.candidate));
    list = list.filter((c) => chosen.has(c));
  }
  if (params.topP < 1) {
    list = list.slice(
      0,
      prefix(softmax(list), (sum) => sum >= params.topP),
    );
  }
  if (params.minP > 0) {
    const floor = list[0]!.logit + Math.log(params.minP);
    list = list.filter((c, i) => i === 0 || c.logit >= floor);
  }
  return list;
}

export function sample(
  logits: readonly number[],
  tokens: readonly number[],
  params: SamplingParams,
  index: number,
): number {
  const changed = penalised(logits, tokens, params);
  if (params.temperature <= 0) return changed.indexOf(Math.max(...changed));
  const list = kept(changed, params).toSorted((a, b) => a.id - b.id);
  const target = uniform(params.seed, index);
  const p = softmax(list, params.temperature);
  return list[prefix(p, (sum) => sum > target) - 1]!.id;
}
