import { log } from "../numeric/log.ts";
import type { LogitSummary } from "../tensor/logits.ts";

/** A token and how likely it was. */
export interface Chance {
  readonly token: number;
  /** Natural logarithm of the token's probability; -Infinity for an impossible one. */
  readonly logprob: number;
}

/** What of a summary log-probabilities are made of. */
export type LogprobSource = Pick<LogitSummary, "ids" | "logits" | "max" | "mass">;

/** Log-probability of a logit, under the softmax of the row that was summed up, with its mass. */
export function logprobOf({ max, mass }: LogprobSource, logit: number): number {
  // A row without any number has no mass.
  const logMass = log(mass === 0 ? 1 : mass);
  if (logit === max) return 0 - logMass;
  const difference = logit - max;
  return difference < 0 ? difference - logMass : -Infinity;
}

/** The `n` likeliest tokens of a summary that holds as many, best first, lower id first on a tie. */
export function topLogprobs(summary: LogprobSource, n: number): readonly Chance[] {
  const top: Chance[] = [];
  for (let i = 0; i < Math.min(n, summary.ids.length); i++) {
    top.push({ token: summary.ids[i]!, logprob: logprobOf(summary, summary.logits[i]!) });
  }
  return top;
}
