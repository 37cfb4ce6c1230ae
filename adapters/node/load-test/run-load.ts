import { setTimeout as sleep } from "node:timers/promises";
import { Agent } from "undici";
import { uniform } from "../../../core/sampler/random.ts";
import type { Arrival } from "./arrivals.ts";
import { send, type Outcome, type Target } from "./client.ts";
import { toReport, type LoadReport } from "./report.ts";

/** What to send to whom. */
export interface LoadRun {
  readonly target: Omit<Target, "dispatcher">;
  readonly arrivals: readonly Arrival[];
  readonly seed: number;
  /** Told how many requests have been sent, ended, and are going to be. */
  readonly onProgress?: (sent: number, ended: number, total: number) => void;
  /** Sends no more once aborted; those under way are cut off. */
  readonly signal?: AbortSignal;
}

/**
 * Send each request when it is due, whether or not others have been answered (an open loop): a slow
 * server gets as much as a fast one, and what waits because of it is measured from when it was due.
 */
export async function runLoad(run: LoadRun): Promise<LoadReport> {
  const { arrivals, target, seed, onProgress = () => {}, signal } = run;
  // Every request may have a connection of its own; limits of time are the target's.
  const dispatcher = new Agent({ connections: null, headersTimeout: 0, bodyTimeout: 0 });
  const outcomes: Outcome[] = [];
  const running: Promise<unknown>[] = [];
  const watch = async (sent: Promise<Outcome>): Promise<void> => {
    outcomes.push(await sent);
    onProgress(running.length, outcomes.length, arrivals.length);
  };
  const begin = performance.now();
  try {
    for (const [i, arrival] of arrivals.entries()) {
      const due = begin + arrival.atMs;
      await untilDue(due, signal);
      if (signal?.aborted === true) break;
      const prompt = makePrompt(arrival.promptTokens, seed, i);
      const sent = watch(send({ ...target, dispatcher }, arrival, due, prompt));
      running.push(sent);
      onProgress(running.length, outcomes.length, arrivals.length);
    }
    await Promise.race([Promise.all(running), untilAborted(signal)]);
    return toReport(target, outcomes, performance.now() - begin);
  } finally {
    await dispatcher.destroy();
  }
}

async function untilDue(due: number, signal: AbortSignal | undefined): Promise<void> {
  const wait = due - performance.now();
  if (wait > 0)
    await sleep(wait, undefined, signal === undefined ? {} : { signal }).catch(() => {});
}

function untilAborted(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) resolve();
    signal?.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** Common words: most vocabularies have each as one token, with the space before it. */
const WORDS: readonly string[] = (
  "the of and to in is was for on that with as by at from it an be are this which or one had not but " +
  "first two has new more time year people over after may some these only other all most such into about"
).split(" ");

/** A text of about so many tokens, another one for each request: no cache of prefixes can help. */
function makePrompt(tokens: number, seed: number, request: number): string {
  const count = Math.max(tokens, 1);
  const word = (i: number): string =>
    WORDS[Math.floor(uniform(seed + request * 2 + 1, i) * WORDS.length)] ?? "the";
  return Array.from({ length: count }, (_, i) => word(i)).join(" ");
}
