import { PEERS } from "./peers.ts";

/** What part of the report a measurement is for. */
export type Section = "speed" | "start" | "busy";

/** One fresh process. */
export interface Measurement {
  readonly section: Section;
  readonly round: number;
  readonly peer: string;
  readonly model: string;
  readonly threads: number;
  readonly tests: readonly string[];
}

export interface PlanOptions {
  readonly sections: readonly Section[];
  readonly peers: readonly string[];
  readonly models: readonly string[];
  readonly threads: readonly number[];
  readonly tests: readonly string[];
  readonly rounds: number;
}

/** Only sirocco decodes several sequences together in these tests. */
const TOGETHER = /x\d+$/;
/** A model whose prompts of 512 take many seconds: measured for what it is here for, reading weights. */
const LARGE_MODEL = "1b";
const LARGE_TESTS: ReadonlySet<string> = new Set(["pp128", "tg64"]);
/** Other runtimes compute with the same kernels; one row of a large model says no more than a small one's. */
const LARGE_PEERS: ReadonlySet<string> = new Set(["node", "llama"]);
/** Loaded cores are a question about threads, which one model answers. */
const BUSY_MODEL = "q4_0";
const BUSY_PEERS: ReadonlySet<string> = new Set(["node", "llama"]);

/**
 * Every measurement, round after round: within a round the peers of a model and number of threads follow each other, so that whatever
 * slows the machine for a while slows all of them.
 */
export function planRun(options: PlanOptions): readonly Measurement[] {
  const plan: Measurement[] = [];
  for (let round = 0; round < options.rounds; round++) {
    for (const section of options.sections) {
      for (const model of options.models) {
        for (const threads of options.threads) {
          for (const peer of options.peers) {
            const tests = testsOf(section, peer, model, options.tests);
            if (tests.length > 0) plan.push({ section, round, peer, model, threads, tests });
          }
        }
      }
    }
  }
  return plan;
}

function testsOf(
  section: Section,
  peer: string,
  model: string,
  wanted: readonly string[],
): readonly string[] {
  const known = PEERS[peer];
  const { models, tests, sirocco } = known ?? {};
  if (models !== undefined && !models.includes(model)) return [];
  if (model === LARGE_MODEL && !LARGE_PEERS.has(peer)) return [];
  if (section === "start") return known?.start === undefined ? [] : ["start"];
  if (section === "busy") {
    return model === BUSY_MODEL && BUSY_PEERS.has(peer) ? ["tg64"] : [];
  }
  return wanted.filter(
    (test) =>
      (tests ?? wanted).includes(test) &&
      (sirocco === true || !TOGETHER.test(test)) &&
      (model !== LARGE_MODEL || LARGE_TESTS.has(test)),
  );
}

/** Seconds that a measurement takes on a machine of 2026, until it has been seen to take others. */
export function expectedSeconds({ section, peer, model, tests }: Measurement): number {
  if (section === "start") return model === LARGE_MODEL ? 3 : 1.5;
  if (model === LARGE_MODEL) return 10;
  if (peer === "wllama3") return 30;
  if (peer === "wllama2") return 12;
  return 1 + 1.5 * tests.length;
}

/** What tells measurements of different rounds that they are the same. */
export function measurementKey({ section, peer, model, threads }: Measurement): string {
  return [section, peer, model, threads].join("|");
}
