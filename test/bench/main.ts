/**
 * `npm run bench`: sirocco beside its peers on this machine. Same files, tests and numbers of threads, a fresh process per measurement,
 * peers taking turns within every round, the machine's read bandwidth before and after. `--help` says the rest.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { loadavg } from "node:os";
import path from "node:path";
import { setup } from "../peers/setup.ts";
import { describeCommit, describeMachine, measureBandwidth } from "./machine.ts";
import { measure } from "./measure.ts";
import { modelFacts } from "./models.ts";
import { HELP, parseOptions, type BenchOptions } from "./options.ts";
import { prepareOnnx } from "./onnx.ts";
import { PEERS, ROOT } from "./peers.ts";
import { expectedSeconds, measurementKey, planRun, type Measurement } from "./plan.ts";
import type { Report, Sample } from "./report.ts";
import { goalsTable } from "./goals.ts";
import { performanceBlocks } from "./tables.ts";
import { writeDocuments } from "./write.ts";

const FOLDER = path.join(ROOT, ".cache", "bench");

function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Measure everything that was asked for. */
async function run(options: BenchOptions): Promise<Report> {
  setup();
  const missing: string[] = [];
  const peers = options.peers.filter((peer) => {
    const reason = PEERS[peer]?.missing() ?? (peer === "transformers" ? prepareOnnx() : undefined);
    if (reason !== undefined) missing.push(`${PEERS[peer]?.label ?? peer}: ${reason}`);
    return reason === undefined;
  });
  for (const reason of missing) note(`Not measured: ${reason}`);
  const plan = planRun({ ...options, peers });
  const models = await Promise.all(
    options.models.filter((key) => plan.some(({ model }) => model === key)).map(modelFacts),
  );
  const [loadBefore = 0] = loadavg();
  const before = await measureBandwidth();
  const { samples, failures } = await measureAll(plan, options.repetitions);
  return {
    date: new Date().toISOString(),
    commit: describeCommit(),
    command: ["npm run bench", ...(options.argv.length > 0 ? ["--", ...options.argv] : [])].join(
      " ",
    ),
    machine: describeMachine(),
    node: process.versions.node,
    rounds: options.rounds,
    loadBefore,
    bandwidth: { before, after: await measureBandwidth() },
    models,
    missing: [...missing, ...failures],
    samples,
  };
}

/** One after the other; a failure leaves a gap in the tables, is told, and does not end the run. */
async function measureAll(
  plan: readonly Measurement[],
  repetitions: number,
): Promise<{ readonly samples: readonly Sample[]; readonly failures: readonly string[] }> {
  const samples: Sample[] = [];
  const failures = new Set<string>();
  const seconds = new Map<string, number>();
  for (const [index, what] of plan.entries()) {
    const { section, round, peer, model, threads, tests } = what;
    const name = `${PEERS[peer]?.label ?? peer}, ${model}, ${threads} thread${threads > 1 ? "s" : ""}`;
    const start = performance.now();
    let outcome: string;
    try {
      const measured = await measure(what, repetitions);
      samples.push(...measured);
      outcome = measured.map((sample) => `${sample.test} ${inUnits(sample)}`).join(", ");
    } catch (error) {
      outcome = `failed: ${firstLine(error)}`;
      failures.add(`${name}${section === "busy" ? ", busy" : ""} (${tests.join(", ")}) ${outcome}`);
    }
    seconds.set(measurementKey(what), (performance.now() - start) / 1000);
    const left = plan
      .slice(index + 1)
      .reduce((sum, next) => sum + (seconds.get(measurementKey(next)) ?? expectedSeconds(next)), 0);
    const state = section === "busy" ? ", cores loaded" : "";
    note(
      `[${index + 1}/${plan.length}] round ${round + 1}: ${name}${state}: ${outcome} (${(left / 60).toFixed(1)} min left)`,
    );
  }
  return { samples, failures: [...failures] };
}

function inUnits({ test, value }: Sample): string {
  if (test === "start") return `${value.toFixed(0)} ms`;
  return test === "rss" ? `${(value / 1e6).toFixed(0)} MB` : `${value.toFixed(1)}/s`;
}

/** The last line of what a process said is where it says what went wrong. */
function firstLine(error: unknown): string {
  const { stderr, message } = error as { stderr?: string; message?: string };
  const lines = (stderr ?? "").trim().split("\n");
  return lines.find((line) => /error|cannot/i.test(line)) ?? (lines.at(-1) || String(message));
}

async function save(report: Report): Promise<string> {
  await mkdir(FOLDER, { recursive: true });
  const file = path.join(FOLDER, `${report.date.replaceAll(/[:.]/g, "-")}.json`);
  await writeFile(file, `${JSON.stringify(report, undefined, 2)}\n`);
  return file;
}

const options = parseOptions(process.argv.slice(2));
if (options === "help") {
  process.stdout.write(HELP);
} else {
  let report: Report;
  if (options.from === undefined) {
    report = await run(options);
    note(await save(report));
  } else {
    report = JSON.parse(await readFile(options.from, "utf8")) as Report;
  }
  for (const block of performanceBlocks(report).values()) process.stdout.write(`${block}\n\n`);
  process.stdout.write(`${goalsTable(report)}\n`);
  if (options.write) {
    for (const file of await writeDocuments(report)) note(`Written: ${file}`);
  }
}
