/**
 * Models beyond one WebAssembly memory, of real shapes with random weights: how long they take to load, how much memory, and which part
 * of what this machine can read generation reads. Under six minutes where nothing else runs, and 13 GB of disk in `.cache/models`.
 *
 *     npm run bench:large -- [--models 7b,8x7b] [--threads 1,2] [--rounds 2] [--tokens 24] [--write]
 *
 * `--write` puts the table into PERFORMANCE.md. Every measurement is a fresh process, and peaks of memory are Linux's.
 */
import { execFileSync } from "node:child_process";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { freemem, loadavg } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { describeCommit, describeMachine, measureBandwidth } from "../machine.ts";
import { replaceBetweenMarkers } from "../markers.ts";
import { ROOT } from "../peers.ts";
import type { LargeRun } from "./run.ts";
import { largeTable, type LargeMeasurement } from "./table.ts";

const { values: options } = parseArgs({
  options: {
    models: { type: "string", default: "7b,8x7b" },
    threads: { type: "string", default: "1,2" },
    rounds: { type: "string", default: "2" },
    tokens: { type: "string", default: "24" },
    write: { type: "boolean", default: false },
  },
});

/** Beside the weights: the runtime, its compiler, and what other programs want. */
const SPARE_BYTES = 2e9;

const load = loadavg()[0] ?? 0;
const files = options.models.split(",").map((model) => {
  const args = [path.join(import.meta.dirname, "..", "models", "random-llama.ts"), model];
  note(`model ${model}`);
  return { model, file: execFileSync(process.execPath, args, { encoding: "utf8" }).trim() };
});
const measurements: LargeMeasurement[] = [];
let best: Readonly<Record<string, number>> = {};
for (let round = 0; round < Number(options.rounds); round++) {
  for (const { model, file } of files) {
    const { size } = statSync(file);
    if (freemem() < size + SPARE_BYTES) {
      note(`${model} is left out: ${freemem()} bytes are free, it takes ${size}`);
      continue;
    }
    best = greater(best, await measureBandwidth());
    for (const threads of options.threads.split(",")) {
      note(`${model}, ${threads} threads, round ${round + 1}`);
      const args = [path.join(import.meta.dirname, "run.ts"), file, threads, options.tokens];
      const run = JSON.parse(
        execFileSync(process.execPath, args, { encoding: "utf8" }),
      ) as LargeRun;
      measurements.push({ model, fileBytes: size, run });
    }
  }
}
best = greater(best, await measureBandwidth());

const { cpu, cores, system, vectors } = describeMachine();
const text = [
  `\`npm run bench:large -- --rounds ${options.rounds}\` at commit ${describeCommit()}, ${new Date().toISOString().slice(0, 10)}, ` +
    `Node ${process.versions.node}. ${cpu}, ${cores} cores (${vectors.join(", ")}), ${system}; load average before the run ` +
    `${load.toFixed(2)}. Read from memory: ${Object.entries(best)
      .map(
        ([threads, rate]) =>
          `${threads} thread${threads === "1" ? "" : "s"} ${rate.toFixed(1)} GB/s`,
      )
      .join(", ")}.`,
  "",
  largeTable(measurements, best),
].join("\n");
process.stdout.write(`${text}\n`);
if (options.write) {
  const file = path.join(ROOT, "PERFORMANCE.md");
  writeFileSync(file, replaceBetweenMarkers(readFileSync(file, "utf8"), "large", text));
}

function note(what: string): void {
  process.stderr.write(`${what}\n`);
}

/** By key, the greater of two readings: neighbours only slow one down. */
function greater(
  a: Readonly<Record<string, number>>,
  b: Readonly<Record<string, number>>,
): Record<string, number> {
  return Object.fromEntries(Object.entries(b).map(([key, n]) => [key, Math.max(n, a[key] ?? 0)]));
}
