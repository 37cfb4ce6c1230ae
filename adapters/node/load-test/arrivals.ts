import { uniform } from "../../../core/sampler/random.ts";
import { BEHAVIOURS, type Behaviour, type Mix } from "./behaviour.ts";

/** One request to send. */
export interface Arrival {
  /** Milliseconds after the begin of the run. */
  readonly atMs: number;
  /** Tokens that the prompt is to have, roughly. */
  readonly promptTokens: number;
  /** Tokens that the answer may have. */
  readonly maxTokens: number;
  readonly behaviour: Behaviour;
}

/** A request as a trace has it. */
export interface TraceEntry {
  readonly atMs: number;
  readonly promptTokens: number;
  readonly maxTokens: number;
}

/** A Poisson process: independent arrivals, as of many users who know nothing of one another. */
export interface PoissonPlan {
  /** Arrivals per second. */
  readonly rate: number;
  readonly durationMs: number;
  readonly promptTokens: number;
  readonly maxTokens: number;
}

/** Arrivals of a Poisson process. The same seed gives the same plan. */
export function poissonArrivals(plan: PoissonPlan, mix: Mix, seed: number): Arrival[] {
  const { promptTokens, maxTokens } = plan;
  const arrivals: Arrival[] = [];
  let atMs = 0;
  for (let i = 0; ; i++) {
    atMs += (-Math.log(1 - uniform(seed, 2 * i)) * 1000) / plan.rate;
    if (atMs >= plan.durationMs) return arrivals;
    const behaviour = choose(mix, uniform(seed, 2 * i + 1));
    arrivals.push({ atMs, promptTokens, maxTokens, behaviour });
  }
}

/** Arrivals of a trace, `speed` times as fast, up to `durationMs`. */
export function traceArrivals(
  trace: readonly TraceEntry[],
  { speed, durationMs }: { readonly speed: number; readonly durationMs: number },
  mix: Mix,
  seed: number,
): Arrival[] {
  const begin = trace[0]?.atMs ?? 0;
  return trace
    .map(({ atMs, ...lengths }) => ({ ...lengths, atMs: (atMs - begin) / speed }))
    .filter(({ atMs }) => atMs < durationMs)
    .map((entry, i) => Object.assign(entry, { behaviour: choose(mix, uniform(seed, i)) }));
}

/** The behaviour at `at`, 0 to 1, of a mix laid end to end; `polite` takes what is left. */
function choose(mix: Mix, at: number): Behaviour {
  let end = 0;
  for (const behaviour of BEHAVIOURS) {
    end += mix[behaviour] ?? 0;
    if (at < end) return behaviour;
  }
  return "polite";
}
