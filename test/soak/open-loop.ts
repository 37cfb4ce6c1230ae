import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Agent } from "undici";
import { poissonArrivals, type Arrival } from "../../adapters/node/load-test/arrivals.ts";
import { send, type Outcome } from "../../adapters/node/load-test/client.ts";
import { uniform } from "../../core/sampler/random.ts";
import { MODEL } from "./client.ts";
import { quantile, type Seen } from "./seen.ts";

/*
 * L2: more than a server can do, for a while. What it can do is measured first, by clients that each ask again as
 * soon as they are answered; then requests come as they do from many who know nothing of one another, at that rate
 * and at multiples of it, whether or not others have been answered.
 */

/** A short question and a paragraph. */
const PROMPT_TOKENS = 48;
const ANSWER_TOKENS = 64;

/** More clients than slots keep a server busy, and fewer than slots and queue are never refused. */
const CLOSED_CLIENTS = 16;

/** Of the peak rate of complete answers, under any overload. */
const LEAST_GOODPUT = 0.9;

/** By then a request that is refused knows it, but for one in a hundred. */
const REFUSED_MS = 50;

/** What may wait for a slot waits no longer. */
const LONGEST_WAIT_MS = 30_000;

const TIMEOUT_MS = 120_000;

interface Run {
  readonly outcomes: readonly Outcome[];
  readonly seconds: number;
  /** Of all processors, that the server had. */
  readonly cpuSeconds: number;
}

/** A server that is measured. */
interface Measured {
  readonly url: string;
  readonly pid: number;
}

/** Linux counts a process's time in hundredths of a second (`man proc_pid_stat`, fields 14 and 15). */
function cpuSeconds(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return NaN;
  }
}

const ok = ({ outcomes }: Run) => outcomes.filter(({ fate }) => fate === "ok");
const goodput = (run: Run): number => ok(run).length / run.seconds;
/** What a busy machine, which gives the server less time, does not change. */
const perCpuSecond = (run: Run): number => ok(run).length / run.cpuSeconds;
/** Without the lateness of this process itself, which shares the machine with the server. */
const times = (outcomes: readonly Outcome[]) => outcomes.map(({ endMs, lagMs }) => endMs - lagMs);

/** One prompt is like no other of any run, so that no cache of beginnings helps. */
function promptOf(run: number, request: number): string {
  const word = (i: number) =>
    WORDS[Math.floor(uniform(run, request * PROMPT_TOKENS + i) * WORDS.length)];
  return Array.from({ length: PROMPT_TOKENS }, (_, i) => word(i)).join(" ");
}
const WORDS = "the of and to in is was for on that with as by at from it an be are this".split(" ");

async function ask(url: string, dispatcher: Agent, arrival: Arrival, due: number, prompt: string) {
  const target = {
    url: `${url}/v1`,
    model: MODEL,
    api: "completions",
    stream: true,
    // Else equal answers would be computed once.
    headers: { "cache-control": "no-store" },
    timeoutMs: TIMEOUT_MS,
    dispatcher,
  } as const;
  return send(target, arrival, due, prompt);
}

const connections = () => new Agent({ connections: null, headersTimeout: 0, bodyTimeout: 0 });

async function closed({ url, pid }: Measured, milliseconds: number, seed: number): Promise<Run> {
  const dispatcher = connections();
  const arrival = arrivalAt(0);
  const begun = performance.now();
  const cpuBegun = cpuSeconds(pid);
  const outcomes: Outcome[] = [];
  let number = 0;
  await Promise.all(
    Array.from({ length: CLOSED_CLIENTS }, async () => {
      while (performance.now() - begun < milliseconds)
        outcomes.push(
          await ask(url, dispatcher, arrival, performance.now(), promptOf(seed, number++)),
        );
    }),
  );
  await dispatcher.destroy();
  const seconds = (performance.now() - begun) / 1000;
  return { outcomes, seconds, cpuSeconds: cpuSeconds(pid) - cpuBegun };
}

const arrivalAt = (atMs: number): Arrival => ({
  atMs,
  promptTokens: PROMPT_TOKENS,
  maxTokens: ANSWER_TOKENS,
  behaviour: "polite",
});

/** The rate of complete answers is that from the first request to the last answer: it is busy all the time. */
async function open(
  { url, pid }: Measured,
  rate: number,
  milliseconds: number,
  seed: number,
): Promise<Run> {
  const dispatcher = connections();
  const plan = { rate, durationMs: milliseconds, promptTokens: 0, maxTokens: 0 };
  const begun = performance.now();
  const cpuBegun = cpuSeconds(pid);
  const running: Promise<Outcome>[] = [];
  for (const { atMs } of poissonArrivals(plan, {}, seed)) {
    const wait = begun + atMs - performance.now();
    if (wait > 0) await sleep(wait);
    const prompt = promptOf(seed, running.length);
    running.push(ask(url, dispatcher, arrivalAt(atMs), begun + atMs, prompt));
  }
  const outcomes = await Promise.all(running);
  await dispatcher.destroy();
  const seconds = (performance.now() - begun) / 1000;
  return { outcomes, seconds, cpuSeconds: cpuSeconds(pid) - cpuBegun };
}

/** L2 at each of some multiples of what the server can do, for so long each. */
export async function overload(
  server: Measured,
  factors: readonly number[],
  milliseconds: number,
): Promise<Seen> {
  const wrong: string[] = [];
  await closed(server, Math.min(milliseconds, WARM_MS), 101);
  const best = await closed(server, Math.min(milliseconds, PEAK_MS), 102);
  const peak = goodput(best);
  const figures: Record<string, number | string> = {
    "peak answers/s": round(peak),
    "a CPU second": round(perCpuSecond(best)),
  };
  const full = await open(server, peak, Math.min(milliseconds, FULL_MS), 1);
  const fullP95 = quantile(times(ok(full)), 0.95);
  figures["at 1× p95 ms"] = Math.round(fullP95);
  for (const factor of factors) {
    const run = await open(server, factor * peak, milliseconds, factor);
    const refused = run.outcomes.filter(({ fate }) => fate === "refused");
    const share = goodput(run) / peak;
    const refusedP99 = quantile(times(refused), 0.99);
    const answeredP95 = quantile(times(ok(run)), 0.95);
    figures[`at ${factor}×`] =
      `${round(goodput(run))} answers/s (${Math.round(100 * share)} % of peak; ${round(perCpuSecond(run))} a CPU second), answered p95 ${Math.round(answeredP95)} ms, ` +
      `${refused.length} of ${run.outcomes.length} refused, p99 ${Math.round(refusedP99)} ms`;
    if (share < LEAST_GOODPUT) wrong.push(`${factor}×: ${Math.round(100 * share)} % of the peak`);
    if (refused.length === 0) wrong.push(`${factor}×: nothing was refused, so it was no overload`);
    if (refusedP99 > REFUSED_MS)
      wrong.push(`${factor}×: refusals took ${Math.round(refusedP99)} ms`);
    if (answeredP95 > 1.5 * fullP95 + LONGEST_WAIT_MS)
      wrong.push(`${factor}×: answers took ${Math.round(answeredP95)} ms`);
    for (const { fate, status, code } of run.outcomes) {
      const fine = fate === "ok" || (fate === "refused" && status === 429 && code === "queue_full");
      if (!fine) wrong.push(`${factor}×: a request was ${fate}: ${status} ${code ?? ""}`);
    }
  }
  return { figures, wrong };
}

/** Long enough for caches and optimising compilers, and for a rate to be told. */
const WARM_MS = 5000;
const PEAK_MS = 20_000;
const FULL_MS = 20_000;

const round = (value: number): number => Math.round(10 * value) / 10;
