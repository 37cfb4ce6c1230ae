import { parseArgs } from "node:util";
import { MODEL_KEYS } from "./models.ts";
import { PEERS } from "./peers.ts";
import type { PlanOptions, Section } from "./plan.ts";

/** What to measure and what to do with it. */
export interface BenchOptions extends PlanOptions {
  /** Runs of each test within a process, after one that does not count. */
  readonly repetitions: number;
  /** Update PERFORMANCE.md, README.md and docs/bench. */
  readonly write: boolean;
  /** A report to read instead of measuring. */
  readonly from: string | undefined;
  readonly argv: readonly string[];
}

const SECTIONS: readonly Section[] = ["speed", "start", "busy"];
const TESTS = "pp128,pp512,tg64,tg64x8";

export const HELP = `Measure sirocco beside its peers on this machine.

  npm run bench                          everything, in about half an hour
  npm run bench -- --write               the same, and update PERFORMANCE.md, README.md and docs/bench
  npm run bench -- --quick               one round of one model, in about two minutes
  npm run bench -- --busy                only two threads against one while every core is loaded
  npm run bench -- --models q8_0 --peers node,llama --tests pp512 --threads 1 --rounds 5
  npm run bench -- --write --from .cache/bench/<time>.json     update the documents without measuring

  --peers <a,b>      ${Object.keys(PEERS).join(", ")}
  --models <a,b>     ${MODEL_KEYS.join(", ")}; made if missing
  --tests <a,b>      of ppN (a prompt), tgN (generation), tgNxM (M sequences together); ${TESTS}
  --threads <a,b>    1,2
  --sections <a,b>   ${SECTIONS.join(", ")}: tokens per second; load to first token and peak memory; loaded cores
  --rounds <n>       3; peers take turns within each, medians are over them
  -r <n>             repetitions within a process, 1
  --quick, --busy, --write, --from <file>, --help

Every measurement is a fresh process; all of it goes to .cache/bench/<time>.json. Nothing else should run meanwhile.
wllama needs Chromium (Debian: apt-get install --no-install-recommends chromium), transformers.js python3 with venv.
`;

/** Throws `TypeError` for what cannot be measured. */
export function parseOptions(argv: readonly string[]): BenchOptions | "help" {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      peers: { type: "string" },
      models: { type: "string" },
      tests: { type: "string" },
      threads: { type: "string", default: "1,2" },
      sections: { type: "string" },
      rounds: { type: "string" },
      repetitions: { type: "string", short: "r", default: "1" },
      quick: { type: "boolean", default: false },
      busy: { type: "boolean", default: false },
      write: { type: "boolean", default: false },
      from: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return "help";
  const { quick, busy } = values;
  if (
    values.write &&
    values.from === undefined &&
    (values.models !== undefined || values.sections !== undefined || busy)
  ) {
    throw new TypeError(
      "Cannot write the documents from a part of the measurements: leave out --models, --sections and --busy",
    );
  }
  return {
    peers: chosen("peer", values.peers, Object.keys(PEERS)),
    models: chosen("model", values.models ?? (quick ? "q4_0" : undefined), MODEL_KEYS),
    sections: chosen("section", values.sections ?? (busy ? "busy" : undefined), SECTIONS),
    tests: (values.tests ?? (quick ? "pp128,tg64,tg64x8" : TESTS)).split(",").map(testName),
    threads: values.threads.split(",").map((text) => positive("threads", text)),
    rounds: positive("rounds", values.rounds ?? (quick ? "1" : "3")),
    repetitions: positive("repetitions", values.repetitions),
    write: values.write,
    from: values.from,
    argv,
  };
}

function chosen<T extends string>(kind: string, text: string | undefined, all: readonly T[]): T[] {
  if (text === undefined) return [...all];
  return text.split(",").map((name) => {
    const known = all.find((candidate) => candidate === name);
    if (known !== undefined) return known;
    throw new TypeError(`Cannot measure the ${kind} "${name}": choose from ${all.join(", ")}`);
  });
}

function testName(text: string): string {
  if (/^(pp[1-9]\d*|tg[1-9]\d*(x[1-9]\d*)?)$/.test(text)) return text;
  throw new TypeError(`Cannot run the test "${text}": give ppN, tgN or tgNxM`);
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new TypeError(`Cannot use ${text} ${name}: give a whole number from 1`);
}
