import type { Behaviour } from "./behaviour.ts";
import type { Fate, Outcome, Target } from "./client.ts";
import { describeSamples, toHistogram, type Bin, type Distribution } from "./samples.ts";

/** What a run has shown. Latencies are in milliseconds, from when a request was due, of polite clients. */
export interface LoadReport {
  readonly url: string;
  readonly model: string;
  readonly seconds: number;
  readonly sent: number;
  /** Requests by what became of them. */
  readonly fates: Readonly<Partial<Record<Fate, number>>>;
  /** The same by behaviour. */
  readonly behaviours: Readonly<
    Partial<Record<Behaviour, Readonly<Partial<Record<Fate, number>>>>>
  >;
  /** Errors by status and code: `429 queue_full`. */
  readonly errors: Readonly<Record<string, number>>;
  /** Per second. */
  readonly rates: {
    readonly offered: number;
    readonly completed: number;
    readonly promptTokens: number;
    readonly answerTokens: number;
  };
  readonly latency: {
    readonly firstToken: Distribution;
    readonly perToken: Distribution;
    readonly whole: Distribution;
    /** How long it took to be refused. */
    readonly refused: Distribution;
    /** How late requests were sent: what this machine could not keep up with. */
    readonly lag: Distribution;
  };
  readonly histograms: { readonly firstToken: readonly Bin[]; readonly whole: readonly Bin[] };
}

/** Sum up a run that took `milliseconds`. */
export function toReport(
  { url, model }: Pick<Target, "url" | "model">,
  outcomes: readonly Outcome[],
  milliseconds: number,
): LoadReport {
  const seconds = milliseconds / 1000;
  const polite = outcomes.filter(({ arrival }) => arrival.behaviour === "polite");
  const answered = polite.filter(({ fate }) => fate === "ok");
  const refused = outcomes.filter(({ fate }) => fate === "refused");
  const lastDue = Math.max(...outcomes.map(({ arrival }) => arrival.atMs), 1) / 1000;
  const firstToken = answered.flatMap(({ firstTokenMs }) => firstTokenMs ?? []);
  const whole = answered.map(({ endMs }) => endMs);
  const per = (count: number): number => count / seconds;
  const behaviours: Partial<Record<Behaviour, Partial<Record<Fate, number>>>> = {};
  for (const { arrival, fate } of outcomes) {
    const fates = (behaviours[arrival.behaviour] ??= {});
    fates[fate] = (fates[fate] ?? 0) + 1;
  }
  return {
    url,
    model,
    seconds,
    sent: outcomes.length,
    fates: tally(outcomes.map(({ fate }) => fate)),
    behaviours,
    errors: tally(
      outcomes.flatMap(({ status, code }) =>
        code === undefined ? [] : [status === 0 ? code : `${status} ${code}`],
      ),
    ),
    rates: {
      offered: outcomes.length / lastDue,
      completed: per(outcomes.filter(({ fate }) => fate === "ok").length),
      promptTokens: per(total(outcomes.map(({ promptTokens }) => promptTokens))),
      answerTokens: per(total(outcomes.map(({ answerTokens }) => answerTokens))),
    },
    latency: {
      firstToken: describeSamples(firstToken),
      perToken: describeSamples(answered.flatMap(({ tokenMs }) => tokenMs ?? [])),
      whole: describeSamples(whole),
      refused: describeSamples(refused.map(({ endMs }) => endMs)),
      lag: describeSamples(outcomes.map(({ lagMs }) => lagMs)),
    },
    histograms: { firstToken: toHistogram(firstToken), whole: toHistogram(whole) },
  };
}

function tally<K extends string>(
  names: readonly K[],
): Partial<Record<K, number>> & Record<string, number> {
  const counts = new Map<K, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return Object.fromEntries(counts) as Partial<Record<K, number>> & Record<string, number>;
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
