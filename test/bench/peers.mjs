/**
 * sirocco beside its peers on this machine: the same files, tests and numbers of threads, a fresh process per measurement, peers taking
 * turns within every round, the machine's read bandwidth before and after.
 *
 *     npm run bench:peers -- [--models A,B] [--peers sirocco,llama,wllama2,wllama3] [--threads 1,2] [--tests pp128,pp512,tg64]
 *                            [--rounds 3] [-r 2]
 *
 * Markdown goes to stdout, everything measured to .cache/bench/peers-<time>.json. Nothing else should run meanwhile: the table says how
 * busy the machine was. wllama needs Chromium (see test/peers/bench/wllama.mjs).
 */
import { execFile } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { availableParallelism, cpus, loadavg, release, type } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { setup } from "../peers/setup.mjs";
import { readBandwidth } from "./bandwidth.mjs";

const execute = promisify(execFile);
const root = path.join(path.dirname(fileURLToPath(import.meta.url)), "..", "..");
const models = process.env.SIROCCO_MODELS ?? path.join(root, ".cache", "models");

const { values } = parseArgs({
  options: {
    models: {
      type: "string",
      default: [
        path.join(models, "SmolLM2-135M-Instruct.Q4_1.gguf"),
        path.join(root, "examples/demo-model/sirocco-demo.q8_0.gguf"),
      ].join(","),
    },
    peers: { type: "string", default: "sirocco,llama,wllama2,wllama3" },
    threads: { type: "string", default: "1,2" },
    tests: { type: "string", default: "pp128,pp512,tg64" },
    rounds: { type: "string", default: "3" },
    repetitions: { type: "string", short: "r", default: "2" },
  },
});

/** How each peer is measured: arguments for Node that print rows as JSON. */
const PEERS = {
  sirocco: ({ model, threads, tests, repetitions }) => {
    const lengths = (kind) =>
      tests
        .filter((test) => test.startsWith(kind))
        .map((test) => test.slice(2))
        .join(",") || "0";
    const cli = path.join(root, "dist/adapters/node/cli/main.js");
    return [
      cli,
      "bench",
      "-m",
      model,
      "-p",
      lengths("pp"),
      "-n",
      lengths("tg"),
      "-t",
      threads,
      "-r",
      repetitions,
      "--json",
    ];
  },
  llama: (what) => [path.join(root, "test/peers/bench/llama.mjs"), ...peerFlags(what)],
  wllama2: (what) => [
    path.join(root, "test/peers/bench/wllama.mjs"),
    "--version",
    "2",
    ...peerFlags(what),
  ],
  wllama3: (what) => [
    path.join(root, "test/peers/bench/wllama.mjs"),
    "--version",
    "3",
    ...peerFlags(what),
  ],
};

function peerFlags({ model, threads, tests, repetitions }) {
  return ["--model", model, "--threads", threads, "--tests", tests.join(","), "-r", repetitions];
}

/** Rows of one peer in one fresh process; a failure is reported and leaves a gap in the table instead of ending the run. */
async function measure(peer, what) {
  const load = loadavg()[0];
  try {
    const { stdout } = await execute(process.execPath, PEERS[peer](what), {
      cwd: root,
      maxBuffer: 1 << 24,
    });
    return JSON.parse(stdout).map((row) => {
      // A backend may run fewer threads than it was asked for; the row stands with those who were asked the same, and says so.
      const short = row.threads === Number(what.threads) ? "" : `, ran ${row.threads} thread`;
      return Object.assign(row, {
        key: peer,
        peer: row.peer ?? `sirocco (${row.backend}${short})`,
        load,
      });
    });
  } catch (error) {
    process.stderr.write(
      `${peer} failed on ${path.basename(what.model)} with ${what.threads} thread(s): ${error.stderr || error.message}\n`,
    );
    return [];
  }
}

async function bandwidth() {
  const measured = {};
  for (let threads = 1; threads <= Math.min(2, availableParallelism()); threads++)
    measured[threads] = await readBandwidth(threads);
  return measured;
}

/** The spelling of a quantisation at the end of a file's name: `model.Q4_1.gguf` -> `Q4_1`. */
function quantOf(model) {
  return /[.-](I?Q\d\w*|F16|F32|BF16)\.gguf$/i.exec(model)?.[1]?.toUpperCase() ?? "?";
}

function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** All rounds of one peer, model, number of threads and test as one row. */
function summarise(rows) {
  const groups = Map.groupBy(rows, (row) => [row.file, row.test, row.threads, row.key].join("|"));
  return [...groups.values()].map((group) => {
    const speeds = group.map((row) => row.avg_ts);
    const { key, peer, file, quant, threads, test } = group[0];
    const rates = group.map((row) => row.gb_s).filter((rate) => rate !== null);
    return {
      key,
      peer,
      model: file,
      quant,
      threads,
      test,
      avg_ts: median(speeds),
      min_ts: Math.min(...speeds),
      max_ts: Math.max(...speeds),
      // Spread over fresh processes, not within one: that is the larger of the two.
      stddev_ts: deviation(speeds),
      gb_s: rates.length > 0 ? median(rates) : null,
      rounds: group.length,
    };
  });
}

function deviation(numbers) {
  if (numbers.length < 2) return 0;
  const mean = numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
  return Math.sqrt(
    numbers.reduce((sum, number) => sum + (number - mean) ** 2, 0) / (numbers.length - 1),
  );
}

const digits = (number) => (number >= 100 ? number.toFixed(0) : number.toFixed(1));

function toMarkdown(report) {
  const { machine, rows } = report;
  const lines = [
    `${machine.cpu}, ${machine.cores} cores, ${machine.system}, Node ${process.versions.node}, commit ${report.commit}, ${report.date.slice(0, 10)}. ` +
      `Medians of ${report.settings.rounds} rounds (least and greatest), tokens per second. ` +
      `Read bandwidth before and after: ${[1, 2].map((n) => `${n} thread ${digits(report.before[n] ?? 0)} and ${digits(report.after[n] ?? 0)} GB/s`).join(", ")}. ` +
      `Load average of other processes at the start ${digits(report.loadBefore)}.`,
  ];
  for (const [title, group] of Map.groupBy(
    rows,
    (row) => `${row.model}, ${row.threads} thread${row.threads > 1 ? "s" : ""}`,
  )) {
    const tests = [...new Set(group.map((row) => row.test))];
    lines.push(
      "",
      `**${title}**`,
      "",
      `| runtime | ${tests.join(" | ")} | GB/s while generating |`,
      `|---|${tests.map(() => "---|").join("")}---|`,
    );
    for (const [peer, own] of Map.groupBy(group, (row) => row.peer)) {
      const cells = tests.map((test) => {
        const row = own.find((candidate) => candidate.test === test);
        const native = group.find(
          (candidate) => candidate.key === "llama" && candidate.test === test,
        );
        if (row === undefined) return "–";
        const share =
          native === undefined || native === row
            ? ""
            : `, ${((100 * row.avg_ts) / native.avg_ts).toFixed(0)} %`;
        return `${digits(row.avg_ts)} (${digits(row.min_ts)}–${digits(row.max_ts)})${share}`;
      });
      const rate = own.find((row) => row.gb_s !== null)?.gb_s;
      lines.push(
        `| ${peer} | ${cells.join(" | ")} | ${rate === undefined ? "–" : rate.toFixed(1)} |`,
      );
    }
  }
  return `${lines.join("\n")}\n`;
}

setup();
const peers = values.peers.split(",");
const unknown = peers.find((peer) => PEERS[peer] === undefined);
if (unknown !== undefined)
  throw new TypeError(`Cannot measure "${unknown}": choose from ${Object.keys(PEERS).join(", ")}.`);
const loadBefore = loadavg()[0];
const before = await bandwidth();
const raw = [];
for (let round = 0; round < Number(values.rounds); round++) {
  for (const model of values.models.split(",")) {
    for (const threads of values.threads.split(",")) {
      for (const peer of peers) {
        process.stderr.write(
          `round ${round + 1}: ${peer}, ${path.basename(model)}, ${threads} thread(s)\n`,
        );
        const what = {
          model: path.resolve(model),
          threads,
          tests: values.tests.split(","),
          repetitions: values.repetitions,
        };
        for (const row of await measure(peer, what)) {
          raw.push({
            ...row,
            round,
            file: path.basename(model),
            quant: quantOf(model),
            threads: Number(threads),
          });
        }
      }
    }
  }
}
const report = {
  date: new Date().toISOString(),
  commit: (
    await execute("git", ["rev-parse", "--short", "HEAD"], { cwd: root }).catch(() => ({
      stdout: "unknown",
    }))
  ).stdout.trim(),
  sirocco: JSON.parse(await readFile(path.join(root, "package.json"), "utf8")).version,
  machine: { cpu: cpus()[0]?.model.trim(), cores: cpus().length, system: `${type()} ${release()}` },
  settings: values,
  loadBefore,
  before,
  after: await bandwidth(),
  rows: summarise(raw),
  raw,
};
const folder = path.join(root, ".cache", "bench");
await mkdir(folder, { recursive: true });
const file = path.join(folder, `peers-${report.date.replaceAll(/[:.]/g, "-")}.json`);
await writeFile(file, `${JSON.stringify(report, undefined, 2)}\n`);
process.stderr.write(`${file}\n`);
process.stdout.write(toMarkdown(report));
