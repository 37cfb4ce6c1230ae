/**
 * What the server costs beyond hono: requests per second of `GET /v1/models`, beside hono with that one
 * route and nothing else, in the same runtime and the same run. `npm run bench:overhead`
 */
import { spawn, type ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { fileURLToPath } from "node:url";
import autocannon from "autocannon";
import { Miniflare } from "miniflare";
import { bundleEdgeWorker, DEMO, startEdge } from "../edge/edge-worker.ts";
import { BUN, DENO } from "../fixtures/runtimes.ts";
import { bundle } from "../runtimes/bundle.ts";
import { spreadOf, type Spread } from "./statistics.ts";

const SERVERS = fileURLToPath(new URL("overhead/servers.mjs", import.meta.url));
const ROOT = fileURLToPath(new URL("../..", import.meta.url));

const { values } = parseArgs({
  options: {
    runtimes: { type: "string", default: "node,bun,deno,workerd" },
    rounds: { type: "string", default: "7" },
    seconds: { type: "string", default: "1" },
    connections: { type: "string", default: "16" },
    json: { type: "boolean", default: false },
  },
});

/** A server under measurement. */
interface Running {
  readonly url: string;
  stop(): Promise<void>;
}

const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  node: [process.execPath],
  bun: [BUN],
  deno: [DENO, "run", "--allow-all", "--quiet"],
};

async function start(runtime: string, variant: "bare" | "sirocco", list: string): Promise<Running> {
  if (runtime === "workerd") return variant === "bare" ? startBareWorker(list) : startWorker();
  const [command = "", ...before] = COMMANDS[runtime] ?? [];
  const child = spawn(command, [...before, SERVERS, variant, list], { cwd: ROOT });
  const url = await firstLine(child);
  return {
    url,
    stop: () =>
      new Promise((resolve) => {
        child.once("close", () => resolve());
        child.kill("SIGKILL");
      }),
  };
}

async function startWorker(): Promise<Running> {
  const edge = await startEdge(await bundleEdgeWorker(), {
    files: { "sirocco-demo.q8_0.gguf": DEMO },
  });
  return { url: (await edge.ready).origin, stop: () => edge.dispose() };
}

async function startBareWorker(list: string): Promise<Running> {
  const script = readFileSync(await bundle("test/bench/overhead/worker.ts", "worker"), "utf8");
  const worker = new Miniflare({
    modules: [{ type: "ESModule", path: "worker.js", contents: script }],
    compatibilityDate: "2026-07-01",
    bindings: { MODELS: JSON.parse(list) as object },
    cf: false,
  });
  return { url: (await worker.ready).origin, stop: () => worker.dispose() };
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      const [line, rest] = output.split("\n");
      if (rest !== undefined) resolve(line!);
    });
    child.stderr?.pipe(process.stderr);
    child.once("close", (code) => reject(new Error(`The server ended with ${code}: ${output}`)));
  });
}

/** Requests per second. Throws where anything but 200 came back. */
async function measure(url: string, seconds: number): Promise<number> {
  const result = await autocannon({
    url: `${url}/v1/models`,
    connections: Number(values.connections),
    duration: seconds,
  });
  if (result.non2xx + result.errors + result.timeouts > 0) {
    throw new Error(`${result.non2xx} refusals, ${result.errors} errors at ${url}`);
  }
  return result.requests.total / result.duration;
}

function show({ median, least, greatest }: Spread, scale = 1): string {
  const [middle, low, high] = [median, least, greatest].map((value) => (value * scale).toFixed(0));
  return `${middle}${scale === 100 ? " %" : ""} (${low} to ${high})`;
}

const report: object[] = [];
for (const runtime of values.runtimes.split(",")) {
  const sirocco = await start(runtime, "sirocco", "");
  // The bare server answers the same bytes.
  const bare = await start(runtime, "bare", await (await fetch(`${sirocco.url}/v1/models`)).text());
  const rates: Record<"bare" | "sirocco", number[]> = { bare: [], sirocco: [] };
  try {
    await measure(bare.url, 1);
    await measure(sirocco.url, 1);
    for (let round = 0; round < Number(values.rounds); round++) {
      rates.bare.push(await measure(bare.url, Number(values.seconds)));
      rates.sirocco.push(await measure(sirocco.url, Number(values.seconds)));
    }
  } finally {
    await Promise.all([bare.stop(), sirocco.stop()]);
  }
  const [own, other] = [spreadOf(rates.sirocco), spreadOf(rates.bare)];
  // Of neighbours in time: what else the machine does weighs on both.
  const share = spreadOf(rates.sirocco.map((rate, i) => rate / rates.bare[i]!));
  report.push({ runtime, sirocco: own, bare: other, share });
  if (!values.json) {
    console.log(`| ${runtime} | ${show(other)} | ${show(own)} | ${show(share, 100)} |`);
  }
}
if (values.json) console.log(JSON.stringify(report));
