/**
 * `npm run bench:gateways`: what a gateway costs between clients and a server with a model, sirocco's edge beside
 * others, in one run: the same server, requests and clients for all, one after the other within each round. The
 * clients run on the same cores, for everybody alike. `--help` says the rest.
 */
import { loadavg } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { describeCommit, describeMachine } from "../machine.ts";
import { ROOT } from "../peers.ts";
import { digits, spreadOf } from "../statistics.ts";
import { writeBlocks } from "../write.ts";
import { load, type Target } from "./client.ts";
import {
  GATEWAYS,
  LITELLM_FOLDER,
  MODEL,
  startNode,
  type Gateway,
  type RunningGateway,
} from "./gateways.ts";

const HELP = `npm run bench:gateways -- [options]

  --seconds N    of load for each measurement (default: 2)
  --rounds N     (default: 3)
  --clients N    at one time, for requests a second (default: 16); latency is seen by one
  --write        write the table into PERFORMANCE.md

Portkey's gateway comes with test/peers (npm install --prefix test/peers). For LiteLLM:
  python3 -m venv ${path.relative(ROOT, LITELLM_FOLDER)} && ${path.relative(ROOT, LITELLM_FOLDER)}/bin/pip install 'litellm[proxy]'
`;

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "2" },
    rounds: { type: "string", default: "3" },
    clients: { type: "string", default: "16" },
    write: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  process.stdout.write(HELP);
  process.exit();
}

/** A kind of request: one that was answered before, or one that never was. */
type What = "hit" | "miss";

interface Sample {
  readonly label: string;
  readonly what: What;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly perSecond: number;
  /** Of the gateway's own process, for one request; absent for the server itself. */
  readonly cpuMicroseconds?: number;
}

let asked = 0;

/** One token of an answer to a short question: the same work for the server each time, and never the same question. */
function body(what: What): string {
  const number = what === "hit" ? 0 : ++asked;
  const content = `Question ${String(number).padStart(8, "0")}: what is a canary rollout?`;
  return JSON.stringify({
    model: MODEL,
    messages: [{ role: "user", content }],
    temperature: 0,
    max_tokens: 1,
  });
}

/** So long before anything counts: code is compiled, connections are there. */
const WARM_UP_MS = 500;

async function measure(
  target: Target & { cpu?(): number },
  label: string,
  what: What,
): Promise<Sample> {
  const ms = Number(values.seconds) * 1000;
  const next = (): string => body(what);
  await load(target, Number(values.clients), WARM_UP_MS, next);
  const alone = await load(target, 1, ms, next);
  const before = target.cpu?.();
  const together = await load(target, Number(values.clients), ms, next);
  const after = target.cpu?.();
  const { p50Ms, p99Ms } = alone;
  const { perSecond, count } = together;
  process.stderr.write(
    `${label}, ${what}: p50 ${digits(p50Ms)} ms, p99 ${digits(p99Ms)} ms, ${digits(perSecond)}/s\n`,
  );
  const used = before === undefined || after === undefined ? undefined : (after - before) / count;
  return {
    label,
    what,
    p50Ms,
    p99Ms,
    perSecond,
    ...(used === undefined ? {} : { cpuMicroseconds: used }),
  };
}

/** What else the machine has to do: medians do not help against a busy one. */
const busy = loadavg()[0] ?? 0;
const DIRECT = "no gateway: the server itself";
const samples: Sample[] = [];
const node = await startNode();
const started: { readonly gateway: Gateway; readonly running: RunningGateway }[] = [];
try {
  // All at once and for the whole time: one that is not asked costs nothing.
  for (const gateway of GATEWAYS) {
    const missing = gateway.missing();
    if (missing === undefined) started.push({ gateway, running: await gateway.start(node.url) });
    else process.stderr.write(`Not measured: ${gateway.label}: ${missing}\n`);
  }
  for (let round = 0; round < Number(values.rounds); round++) {
    samples.push(await measure({ url: node.url, headers: {} }, DIRECT, "miss"));
    for (const { gateway, running } of started) {
      samples.push(await measure(running, gateway.label, "miss"));
      if (gateway.keeps) samples.push(await measure(running, gateway.label, "hit"));
    }
  }
} finally {
  for (const { running } of started) await running.stop();
  await node.stop();
}

function medianOf(rows: readonly Sample[], of: (row: Sample) => number): number {
  return spreadOf(rows.map((row) => of(row))).median;
}

function signed(value: number): string {
  return `${value < 0 ? "−" : ""}${digits(Math.abs(value))}`;
}

function perSecondOf(rows: readonly Sample[]): string {
  const { median, least, greatest } = spreadOf(rows.map(({ perSecond }) => perSecond));
  return `${digits(median)} (${digits(least)}–${digits(greatest)})`;
}

function table(): string {
  const direct = samples.filter(({ label }) => label === DIRECT);
  const lines = [
    "| gateway | request | added to p50, ms | added to p99, ms | p50, ms | p99, ms | requests/s | CPU of the gateway a request, µs |",
    "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
  ];
  const keys = new Set(samples.map(({ label, what }) => JSON.stringify([label, what])));
  for (const key of keys) {
    const [label, what] = JSON.parse(key) as [string, What];
    const rows = samples.filter((row) => row.label === label && row.what === what);
    const p50 = medianOf(rows, (row) => row.p50Ms);
    const p99 = medianOf(rows, (row) => row.p99Ms);
    const adds = what === "miss" && label !== DIRECT;
    const added = (value: number, of: (row: Sample) => number): string =>
      adds ? signed(value - medianOf(direct, of)) : "–";
    const used = rows
      .map(({ cpuMicroseconds }) => cpuMicroseconds)
      .filter((us) => us !== undefined);
    const cells = [
      label,
      what,
      added(p50, (row) => row.p50Ms),
      added(p99, (row) => row.p99Ms),
      p50.toFixed(2),
      p99.toFixed(2),
      perSecondOf(rows),
      used.length === 0 ? "–" : spreadOf(used).median.toFixed(0),
    ];
    lines.push(`| ${cells.join(" | ")} |`);
  }
  return lines.join("\n");
}

const { cpu, cores } = describeMachine();
const about = `\`npm run bench:gateways\` at commit ${describeCommit()}, ${new Date().toISOString().slice(0, 10)}, Node ${process.versions.node}, ${cpu}, ${cores} cores: latency seen by one client, requests a second by ${values.clients}, ${values.seconds} s each; medians of ${values.rounds} rounds (least–greatest). Load average at the start: ${busy.toFixed(1)}.`;
const text = `${about}\n\n${table()}`;
process.stdout.write(`${text}\n`);
if (values.write) await writeBlocks("PERFORMANCE.md", new Map([["gateways", text]]));
