/**
 * What the server costs beyond hono: requests per second of `GET /v1/models`, or with `--what hit` of a chat
 * that is answered from memory, beside hono with that one route and nothing else, in the same runtime and the
 * same run. `npm run bench:overhead`
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
import { processorTime } from "./processor-time.ts";
import { spreadOf, type Spread } from "./statistics.ts";

const SERVERS = fileURLToPath(new URL("overhead/servers.mjs", import.meta.url));
const ROOT = fileURLToPath(new URL("../..", import.meta.url));

const { values } = parseArgs({
  options: {
    what: { type: "string", default: "models" },
    runtimes: { type: "string", default: "node,bun,deno,workerd" },
    rounds: { type: "string", default: "7" },
    seconds: { type: "string", default: "1" },
    connections: { type: "string", default: "16" },
    json: { type: "boolean", default: false },
  },
});

/** A request under measurement. */
interface Asked {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

const ASKED: Readonly<Record<string, Asked>> = {
  models: { method: "GET", path: "/v1/models", headers: {} },
  hit: {
    method: "POST",
    path: "/v1/chat/completions",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      model: "sirocco-demo.q8_0",
      messages: [{ role: "user", content: "What is a canary rollout?" }],
      temperature: 0,
      max_tokens: 64,
    }),
  },
};
const asked = ASKED[values.what];
if (asked === undefined) throw new RangeError(`Cannot measure ${values.what}: say models or hit`);

/** A server under measurement. */
interface Running {
  readonly url: string;
  /** Microseconds that it has computed so far; only a process of its own tells. */
  cpu(): number | undefined;
  stop(): Promise<void>;
}

const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  node: [process.execPath],
  bun: [BUN],
  deno: [DENO, "run", "--allow-all", "--quiet"],
};

async function start(
  runtime: string,
  variant: "bare" | "sirocco",
  answer: string,
): Promise<Running> {
  if (runtime === "workerd") return variant === "bare" ? startBareWorker(answer) : startWorker();
  const [command = "", ...before] = COMMANDS[runtime] ?? [];
  const child = spawn(command, [...before, SERVERS, variant, answer], { cwd: ROOT });
  const url = await firstLine(child);
  return {
    url,
    cpu: () => processorTime(child.pid!),
    stop: () =>
      new Promise((resolve) => {
        child.once("close", () => resolve());
        child.kill("SIGKILL");
      }),
  };
}

async function startWorker(): Promise<Running> {
  const edge = await startEdge(await bundleEdgeWorker("test/bench/overhead/caching-worker.js"), {
    files: { "sirocco-demo.q8_0.gguf": DEMO },
  });
  return { url: (await edge.ready).origin, cpu: () => undefined, stop: () => edge.dispose() };
}

async function startBareWorker(answer: string): Promise<Running> {
  const script = readFileSync(await bundle("test/bench/overhead/worker.ts", "worker"), "utf8");
  const worker = new Miniflare({
    modules: [{ type: "ESModule", path: "worker.js", contents: script }],
    compatibilityDate: "2026-07-01",
    bindings: { ANSWER: answer },
    cf: false,
  });
  return { url: (await worker.ready).origin, cpu: () => undefined, stop: () => worker.dispose() };
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

interface Measured {
  readonly perSecond: number;
  /** Of the server, for one request. */
  readonly cpuMicroseconds: number | undefined;
  readonly p99Ms: number;
}

/** Throws where anything but 200 came back. */
async function measure(server: Running, seconds: number): Promise<Measured> {
  const before = server.cpu();
  const { path, ...request } = asked!;
  const result = await autocannon({
    url: `${server.url}${path}`,
    ...request,
    connections: Number(values.connections),
    duration: seconds,
  });
  if (result.non2xx + result.errors + result.timeouts > 0) {
    throw new Error(`${result.non2xx} refusals, ${result.errors} errors at ${server.url}`);
  }
  const after = server.cpu();
  const { total } = result.requests;
  return {
    perSecond: total / result.duration,
    cpuMicroseconds: before === undefined ? undefined : (after! - before) / total,
    p99Ms: result.latency.p99,
  };
}

/** Ask once. */
function ask(url: string): Promise<Response> {
  const { path, method, headers, body } = asked!;
  return fetch(`${url}${path}`, { method, headers, ...(body === undefined ? {} : { body }) });
}

function show({ median, least, greatest }: Spread, scale = 1): string {
  const [middle, low, high] = [median, least, greatest].map((value) => (value * scale).toFixed(0));
  return `${middle}${scale === 100 ? " %" : ""} (${low} to ${high})`;
}

const report: object[] = [];
for (const runtime of values.runtimes.split(",")) {
  const sirocco = await start(runtime, "sirocco", "");
  // The first computes an answer, those after it find it.
  await (await ask(sirocco.url)).text();
  // The bare server answers the same bytes.
  const bare = await start(runtime, "bare", await (await ask(sirocco.url)).text());
  const taken: Record<"bare" | "sirocco", Measured[]> = { bare: [], sirocco: [] };
  try {
    await measure(bare, 1);
    await measure(sirocco, 1);
    for (let round = 0; round < Number(values.rounds); round++) {
      taken.bare.push(await measure(bare, Number(values.seconds)));
      taken.sirocco.push(await measure(sirocco, Number(values.seconds)));
    }
  } finally {
    await Promise.all([bare.stop(), sirocco.stop()]);
  }
  const rates = (of: readonly Measured[]): Spread => spreadOf(of.map((one) => one.perSecond));
  const [own, other] = [rates(taken.sirocco), rates(taken.bare)];
  // Of neighbours in time: what else the machine does weighs on both.
  const share = spreadOf(taken.sirocco.map((one, i) => one.perSecond / taken.bare[i]!.perSecond));
  const costs = [taken.bare, taken.sirocco].map(costOf);
  report.push({ runtime, sirocco: own, bare: other, share, taken });
  if (!values.json) {
    console.log(
      `| ${runtime} | ${show(other)} | ${show(own)} | ${show(share, 100)} | ${costs.join(" | ")} |`,
    );
  }
}
if (values.json) console.log(JSON.stringify(report));

/** Processor time of a request and the slowest of a hundred, for people. */
function costOf(taken: readonly Measured[]): string {
  const p99 = `p99 ${spreadOf(taken.map((one) => one.p99Ms)).median} ms`;
  if (taken.some((one) => one.cpuMicroseconds === undefined)) return p99;
  return `${spreadOf(taken.map((one) => one.cpuMicroseconds!)).median.toFixed(1)} µs, ${p99}`;
}
