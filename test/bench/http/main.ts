/**
 * `npm run bench:http`: sirocco beside llama.cpp's server and llama.cpp behind hono, all over HTTP on this machine: requests per second,
 * latency, time to first token, memory and CPU with 1, 4 and 8 clients, servers taking turns within every round. The clients run on the same
 * cores, for everybody alike. `--help` says the rest.
 */
import path from "node:path";
import { parseArgs } from "node:util";
import { describeCommit, describeMachine } from "../machine.ts";
import { ROOT } from "../peers.ts";
import { digits, spreadOf } from "../statistics.ts";
import { load, type Seen } from "./client.ts";
import { SERVERS, startServer, type RunningServer } from "./servers.ts";

const HELP = `npm run bench:http -- [options]

  --model F      a GGUF file (default: SmolLM2-135M-Instruct.Q4_0.gguf in .cache/models)
  --servers S    of ${Object.keys(SERVERS).join(", ")} (default: all)
  --clients N    numbers of clients (default: 1,4,8)
  --threads N    threads that compute (default: 2)
  --seconds N    of load for each measurement (default: 4)
  --rounds N     (default: 3)
  --prompt N     words of a prompt, the first --shared of them the same in all (default: 24)
  --shared N     (default: 0)
  --tokens N     tokens of an answer (default: 16)
`;

const { values } = parseArgs({
  options: {
    model: { type: "string" },
    servers: { type: "string", default: Object.keys(SERVERS).join() },
    clients: { type: "string", default: "1,4,8" },
    threads: { type: "string", default: "2" },
    seconds: { type: "string", default: "4" },
    rounds: { type: "string", default: "3" },
    prompt: { type: "string", default: "24" },
    shared: { type: "string", default: "0" },
    tokens: { type: "string", default: "16" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  process.stdout.write(HELP);
  process.exit();
}

const model = values.model ?? path.join(ROOT, ".cache/models/SmolLM2-135M-Instruct.Q4_0.gguf");
const levels = values.clients.split(",").map(Number);
const slots = Math.max(...levels);

/** Common words: a token each, or nearly. */
const WORDS =
  "time people way day man thing woman life child world school state family student group country problem hand part place case week company system program question work government number night point home water room mother area money story fact month lot right study book eye job word business issue side kind head house service friend father power hour game line end member law car city community name".split(
    " ",
  );

let asked = 0;
/** A prompt that no other has been, but for its beginning. */
function nextPrompt(): string {
  let state = ++asked * 2654435761;
  return Array.from({ length: Number(values.prompt) }, (_, i) => {
    if (i < Number(values.shared)) return WORDS[i];
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return WORDS[(state >>> 8) % WORDS.length];
  }).join(" ");
}

interface Row {
  readonly server: string;
  readonly clients: number;
  readonly perSecond: number;
  readonly tokensPerSecond: number;
  readonly p50: number;
  readonly p95: number;
  readonly first50: number;
  readonly first95: number;
  readonly memory: number;
  /** Milliseconds of the server's CPU for a request. */
  readonly cpu: number;
}

function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? NaN;
}

function ascending(seen: readonly Seen[], of: (one: Seen) => number): number[] {
  return seen.map((one) => of(one)).toSorted((a, b) => a - b);
}

async function measure(server: RunningServer, name: string, clients: number): Promise<Row> {
  const before = server.cpu();
  const { seen, seconds } = await load(
    `${server.url}/v1/completions`,
    clients,
    Number(values.seconds),
    () => ({
      model: "m",
      prompt: nextPrompt(),
      max_tokens: Number(values.tokens),
      temperature: 0,
      stream: true,
    }),
  );
  const failed = seen.find(({ status, pieces }) => status !== 200 || pieces === 0);
  if (failed !== undefined) throw new Error(`${name} answered ${failed.status}`);
  const total = ascending(seen, (one) => one.totalMs);
  const first = ascending(seen, (one) => one.firstMs);
  return {
    server: name,
    clients,
    perSecond: seen.length / seconds,
    tokensPerSecond: seen.reduce((sum, { pieces }) => sum + pieces, 0) / seconds,
    p50: quantile(total, 0.5),
    p95: quantile(total, 0.95),
    first50: quantile(first, 0.5),
    first95: quantile(first, 0.95),
    memory: server.memory().now,
    cpu: (server.cpu() - before) / 1000 / seen.length,
  };
}

const rows: Row[] = [];
for (let round = 0; round < Number(values.rounds); round++) {
  for (const name of values.servers.split(",")) {
    const kind = SERVERS[name];
    if (kind === undefined) throw new Error(`There is no server ${name}`);
    const missing = kind.missing();
    if (missing !== undefined) {
      if (round === 0) process.stderr.write(`Not measured: ${kind.label}: ${missing}\n`);
      continue;
    }
    const server = await startServer(kind, model, Number(values.threads), slots);
    try {
      // Warm: code is compiled, pages are there.
      await load(`${server.url}/v1/completions`, slots, 1, () => ({
        model: "m",
        prompt: nextPrompt(),
        max_tokens: Number(values.tokens),
        temperature: 0,
        stream: true,
      }));
      for (const clients of levels) {
        const row = await measure(server, name, clients);
        rows.push(row);
        process.stderr.write(
          `${name}, ${clients} clients: ${digits(row.perSecond)}/s, p50 ${digits(row.p50)} ms\n`,
        );
      }
    } finally {
      await server.stop();
    }
  }
}

const { cpu, cores } = describeMachine();
process.stdout.write(
  `${describeCommit()}, ${cpu}, ${cores} cores, ${path.basename(model)}, ${values.threads} threads, prompts of ${values.prompt} words (${values.shared} shared), ${values.tokens} tokens, medians of ${values.rounds} rounds (least to greatest)\n\n` +
    "| server | clients | requests/s | tokens/s | latency p50 ms | p95 ms | p95/p50 | first token p50 ms | p95 ms | memory MiB | CPU ms a request |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
);
for (const name of new Set(rows.map(({ server }) => server))) {
  for (const clients of levels) {
    const own = rows.filter((row) => row.server === name && row.clients === clients);
    const median = (of: (row: Row) => number): string =>
      digits(spreadOf(own.map((row) => of(row))).median);
    const { least, greatest } = spreadOf(own.map(({ perSecond }) => perSecond));
    const cells = [
      SERVERS[name]?.label,
      clients,
      `${median((row) => row.perSecond)} (${digits(least)} to ${digits(greatest)})`,
      median((row) => row.tokensPerSecond),
      median((row) => row.p50),
      median((row) => row.p95),
      median((row) => row.p95 / row.p50),
      median((row) => row.first50),
      median((row) => row.first95),
      median((row) => row.memory),
      median((row) => row.cpu),
    ];
    process.stdout.write(`| ${cells.join(" | ")} |\n`);
  }
}
