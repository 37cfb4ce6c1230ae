import {
  bandwidthOf,
  findRow,
  readRate,
  rowsOf,
  type ModelFacts,
  type Report,
  type Row,
} from "./report.ts";
import { digits } from "./statistics.ts";

/** What percentages refer to. */
const NATIVE = "llama";
const NOTHING = "–";
const MB = 1e6;

/** The blocks between the markers of PERFORMANCE.md, by name. */
export function performanceBlocks(report: Report): ReadonlyMap<string, string> {
  const rows = rowsOf(report.samples);
  return new Map([
    ["machine", machine(report)],
    ["speed", speed(report, rows)],
    ["start", start(report, rows)],
    ["busy", busy(rows)],
  ]);
}

/** A table for people who decide whether to read on: one model, one thread. Throws `RangeError` where that model was not measured. */
export function readmeTable(report: Report): string {
  const rows = rowsOf(report.samples);
  const model = report.models.find(({ key }) => key === "q4_0");
  if (model === undefined) {
    throw new RangeError("Cannot write the README's table: the report lacks the model q4_0");
  }
  const peers = ["node", NATIVE, "transformers", "wllama2", "wllama3"];
  const body = peers.flatMap((peer) => {
    const find = (test: string): Row | undefined => findRow(rows, { peer, model: "q4_0", test });
    const [prompt, generation] = [find("pp128"), find("tg64")];
    const label = prompt?.label ?? generation?.label;
    if (label === undefined) return [];
    return [[label, ...[prompt, generation].map((row) => (row ? digits(row.median) : NOTHING))]];
  });
  return [
    `${model.label}, one thread of ${report.machine.cpu}, tokens per second, ${report.rounds > 1 ? `medians of ${report.rounds} rounds` : "one round"} (${report.date.slice(0, 10)}):`,
    "",
    markdown(["", "prompt of 128", "generation"], body),
  ].join("\n");
}

function machine(report: Report): string {
  const { cpu, cores, system, vectors } = report.machine;
  const rates = Object.keys(report.bandwidth.before).map((threads) => {
    const [before = 0, after = 0] = [
      report.bandwidth.before[threads],
      report.bandwidth.after[threads],
    ];
    return `${threads} thread${threads === "1" ? "" : "s"} ${digits(before)} GB/s before and ${digits(after)} after`;
  });
  const lines = [
    `\`${report.command}\` at commit ${report.commit}, ${report.date.slice(0, 10)}, Node ${report.node}. ` +
      `${cpu}, ${cores} cores (${vectors.join(", ") || "no AVX"}), ${system}; ` +
      `load average before the run ${report.loadBefore.toFixed(2)}. Read from memory: ${rates.join("; ")}.`,
  ];
  if (report.missing.length > 0) {
    lines.push("", `Not measured: ${report.missing.join("; ")}.`);
  }
  return lines.join("\n");
}

function speed(report: Report, rows: readonly Row[]): string {
  const quiet = rows.filter((row) => !row.busy && /^(pp|tg)/.test(row.test));
  return report.models
    .map((model) => modelTable(report, model, quiet))
    .filter((table) => table !== "")
    .join("\n\n");
}

/** One model: a line for each peer and number of threads. */
function modelTable(report: Report, model: ModelFacts, rows: readonly Row[]): string {
  const own = rows.filter((row) => row.model === model.key);
  if (own.length === 0) return "";
  const tests = [...new Set(own.map((row) => row.test))].toSorted(byTest);
  const lines = [...Map.groupBy(own, (row) => `${row.threads}|${row.peer}`).values()]
    .toSorted((a, b) => (a[0]?.threads ?? 0) - (b[0]?.threads ?? 0))
    .map((group) => {
      const [first] = group;
      if (first === undefined) return [];
      const ran = first.ran === first.threads ? "" : ` (ran ${first.ran})`;
      const cells = tests.map((test) => {
        const row = group.find((candidate) => candidate.test === test);
        return row === undefined ? NOTHING : spreadCell(row, rows);
      });
      const generation = group.find((row) => /^tg\d+$/.test(row.test));
      const rate = generation === undefined ? undefined : readRate(generation, model);
      const share = (100 * (rate ?? 0)) / bandwidthOf(report, first.ran);
      // A peer with a format of its own reads other bytes than the GGUF file's.
      const known = rate !== undefined && first.peer !== "transformers";
      const read = known ? `${rate.toFixed(1)}, ${share.toFixed(0)} %` : NOTHING;
      return [first.label, `${first.threads}${ran}`].concat(cells, read);
    });
  const title = `**${model.label}** (${(model.weightBytes / MB).toFixed(0)} MB of weights)`;
  return `${title}\n\n${markdown(["runtime", "threads", ...tests, "GB/s, of bandwidth"], lines)}`;
}

/** `182 (177–187), 88 %`: the median, the extremes, and the share of native at as many threads. */
function spreadCell(row: Row, rows: readonly Row[]): string {
  const { test, model, threads, busy: loaded } = row;
  const native = findRow(rows, { peer: NATIVE, model, test, threads, busy: loaded });
  const share =
    native === undefined || row.peer === NATIVE
      ? ""
      : `, ${((100 * row.median) / native.median).toFixed(0)} %`;
  const range = row.count > 1 ? ` (${digits(row.least)}–${digits(row.greatest)})` : "";
  return `${digits(row.median)}${range}${share}`;
}

function start(report: Report, rows: readonly Row[]): string {
  const lines = rows
    .filter((row) => row.test === "start")
    .toSorted(
      (a, b) =>
        report.models.findIndex(({ key }) => key === a.model) -
          report.models.findIndex(({ key }) => key === b.model) || a.threads - b.threads,
    )
    .flatMap((row) => {
      const memory = findRow(rows, { ...row, test: "rss" });
      const model = report.models.find(({ key }) => key === row.model);
      if (memory === undefined || model === undefined) return [];
      const needed = model.weightBytes + (memory.kvBytes ?? 0);
      return [
        [
          model.label,
          row.label,
          String(row.threads),
          `${row.median.toFixed(0)} (${row.least.toFixed(0)}–${row.greatest.toFixed(0)})`,
          (memory.median / MB).toFixed(0),
          `${(model.weightBytes / MB).toFixed(0)} + ${((memory.kvBytes ?? 0) / MB).toFixed(0)}`,
          `${(memory.median / needed).toFixed(2)} ×`,
        ],
      ];
    });
  if (lines.length === 0) return "Not measured.";
  const head = ["model", "runtime", "threads", "first token, ms", "peak RSS, MB"];
  return markdown([...head, "weights + KV, MB", "peak / (weights + KV)"], lines);
}

function busy(rows: readonly Row[]): string {
  const lines = rows
    .filter((row) => row.busy)
    .map((row) => {
      const alone = findRow(rows, { ...row, threads: 1 });
      const share = alone === undefined ? NOTHING : `${(row.median / alone.median).toFixed(2)} ×`;
      const range = `${digits(row.median)} (${digits(row.least)}–${digits(row.greatest)})`;
      return [
        row.label,
        `${row.threads}${row.ran === row.threads ? "" : ` (ran ${row.ran})`}`,
        range,
        share,
      ];
    });
  if (lines.length === 0) return "Not measured.";
  return markdown(["runtime", "threads", "tg64", "of one thread"], lines);
}

/** Prompts before generation, short before long, few sequences before many. */
function byTest(a: string, b: string): number {
  return order(a) - order(b);
}

function order(test: string): number {
  const [, kind, n, sequences = "1"] = /^(pp|tg)(\d+)(?:x(\d+))?$/.exec(test) ?? [];
  return (kind === "tg" ? 1e9 : 0) + Number(n) * 1e3 + Number(sequences);
}

/** A Markdown table, first column to the left, numbers to the right. */
export function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const rule = head.map((_, column) => (column === 0 ? "---" : "--:"));
  return [head, rule, ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
