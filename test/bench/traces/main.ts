/**
 * `npm run bench:traces`: what the caches are good for under requests as they come: samples of two published traces,
 * compressed in time and scaled to the demo model, against a server with and without what can be shared. The traces
 * lie beside a checkout of this project (`data/load`) or where --mooncake and --azure say; without them it ends.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { loadavg } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { shared } from "../../fixtures/shared.ts";
import { describeCommit, describeMachine } from "../machine.ts";
import { ROOT } from "../peers.ts";
import { digits } from "../statistics.ts";
import { PLOTS, writeBlocks } from "../write.ts";
import { shareChart, type Panel } from "./chart.ts";
import { replay, type Seen } from "./replay.ts";
import { azureSample, mooncakeSample, type Replayed, type Sample, unshared } from "./requests.ts";

const HELP = `npm run bench:traces -- [options]

  --seconds N    that a trace is compressed into (default: 45)
  --mooncake F   JSON lines with timestamp, input_length, output_length and hash_ids
  --azure F      CSV with TIMESTAMP, ContextTokens and GeneratedTokens
  --write        write the tables into PERFORMANCE.md and the chart into ${PLOTS}
`;

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "45" },
    mooncake: { type: "string" },
    azure: { type: "string" },
    write: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  process.stdout.write(HELP);
  process.exit();
}

const mooncake = values.mooncake ?? shared("data/load/mooncake_synthetic_trace.jsonl");
const azure = values.azure ?? shared("data/load/AzureLLMInferenceTrace_conv.csv");
if (mooncake === undefined || azure === undefined) {
  process.stderr.write("There are no traces beside this checkout: say --mooncake and --azure\n");
  process.exit(1);
}

interface Run {
  readonly label: string;
  readonly seen: Seen;
}

const milliseconds = Number(values.seconds) * 1000;
const busy = loadavg()[0] ?? 0;
const KEEPING = ["--cache", "memory"];

async function run(
  label: string,
  requests: readonly Replayed[],
  flags: readonly string[],
): Promise<Run> {
  const seen = await replay(requests, flags);
  process.stderr.write(`${label}: first token p50 ${digits(at(seen, 0.5))} ms\n`);
  return { label, seen };
}

function at({ firstMs }: Seen, share: number): number {
  return firstMs[Math.floor(share * (firstMs.length - 1))] ?? NaN;
}

const sessions = mooncakeSample(mooncake, milliseconds);
const sessionRuns = [
  await run("nothing to share", unshared(sessions.requests), []),
  await run("prefix cache", sessions.requests, []),
  await run("and answers kept", sessions.requests, KEEPING),
];
const lengths = azureSample(azure, milliseconds);
const lengthRuns = [
  await run("nothing kept", lengths.requests, []),
  await run("answers kept", lengths.requests, KEEPING),
];

function percent(part: number, whole: number): string {
  return whole === 0 ? "–" : `${((100 * part) / whole).toFixed(1)} %`;
}

function table(runs: readonly Run[]): string {
  return [
    "| | refused | first token p50, ms | p90, ms | p99, ms | answered by a kept answer | prompt tokens found by the engine | prompt tokens not computed |",
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ...runs.map(({ label, seen }) => {
      const cells = [
        label,
        `${seen.refused}`,
        ...[0.5, 0.9, 0.99].map((share) => digits(at(seen, share))),
        percent(seen.exact, seen.requests - seen.refused),
        percent(seen.prefixTokens, seen.engineTokens),
        percent(seen.exactTokens + seen.prefixTokens, seen.promptTokens),
      ];
      return `| ${cells.join(" | ")} |`;
    }),
  ].join("\n");
}

const { cpu, cores } = describeMachine();
const where = `commit ${describeCommit()}, ${new Date().toISOString().slice(0, 10)}, Node ${process.versions.node}, ${cpu}, ${cores} cores, load average at the start ${busy.toFixed(1)}`;
const section = (name: string, { about }: Sample, runs: readonly Run[]): string =>
  `${name}: ${about}.\n\n${table(runs)}`;
const text = [
  `\`npm run bench:traces\` at ${where}; demo model, one run each.`,
  section("Mooncake's synthetic trace", sessions, sessionRuns),
  section("Azure's trace of conversations (2023)", lengths, lengthRuns),
].join("\n\n");
process.stdout.write(`${text}\n`);

if (values.write) {
  const toPanel = (title: string, runs: readonly Run[]): Panel => ({
    title,
    curves: runs.map(({ label, seen }) => ({ label, firstMs: seen.firstMs })),
  });
  const panels = [
    toPanel("Mooncake's synthetic trace", sessionRuns),
    toPanel("Azure's trace of conversations", lengthRuns),
  ];
  await mkdir(path.join(ROOT, PLOTS), { recursive: true });
  await writeFile(path.join(ROOT, PLOTS, "traces.svg"), shareChart(panels, where));
  await writeBlocks("PERFORMANCE.md", new Map([["traces", text]]));
}
