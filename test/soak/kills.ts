import { setTimeout as sleep } from "node:timers/promises";
import { startServer, type ServerProcess } from "../fixtures/cli.ts";
import { freePort } from "../fixtures/free-port.ts";
import { ask, type Ending } from "./client.ts";
import type { Seen } from "./seen.ts";

/*
 * Nodes of a pool that are killed while they answer (kill -9), one after the other, under load. Each client asks
 * one question after the other through an edge that has no model and keeps nothing.
 */

const CLIENTS = 4;

/** Long enough to be in the middle of most of them at any time. */
const TOKENS = 64;

const PROMPTS = ["A note about tides:", "A note about maps:", "A clock is", "Rivers run", "Queues"];

/** A pool of two nodes behind an edge. */
export interface KillRig {
  readonly edge: ServerProcess;
  readonly ports: readonly number[];
  readonly nodes: ServerProcess[];
  close(): Promise<void>;
}

const NODE_FLAGS = ["--threads", "1"];

/** Start two nodes with the demo model, and an edge. */
export async function startKillRig(): Promise<KillRig> {
  const ports = [await freePort(), await freePort()];
  const nodes = await Promise.all(ports.map(startNode));
  const pool = nodes.flatMap(({ url }, i) => ["--pool", `n${i}=${url}`]);
  const edge = await startServer(["--no-model", ...pool]);
  return {
    edge,
    ports,
    nodes,
    async close() {
      await Promise.all([edge, ...nodes].map((server) => server.stop()));
    },
  };
}

function startNode(port: number): Promise<ServerProcess> {
  return startServer(["--port", String(port), ...NODE_FLAGS]);
}

/** Kill `kills` times, in turn, whoever has requests; `baseMs`: how long to watch the pool without a fault before. */
export async function killing(rig: KillRig, kills: number, baseMs: number): Promise<Seen> {
  const { edge, nodes, ports } = rig;
  const truth = new Map<string, string>();
  for (const prompt of PROMPTS) {
    const alone = await ask(nodes[0]!.url, { prompt, tokens: TOKENS, stream: false });
    truth.set(prompt, alone.text);
  }
  const wrong: string[] = [];
  const base = await underLoad(edge.url, truth, wrong, () => sleep(baseMs));
  const returns: number[] = [];
  const with9 = await underLoad(edge.url, truth, wrong, async () => {
    for (let kill = 0; kill < kills; kill++) {
      const victim = kill % nodes.length;
      await until(async () => (await nodeMetric(edge.url, "requests_in_flight", victim)) > 0);
      nodes[victim]!.child.kill("SIGKILL");
      await nodes[victim]!.stop();
      await sleep(300);
      nodes[victim] = await startNode(ports[victim]!);
      const ready = performance.now();
      await until(async () => (await nodeMetric(edge.url, "node_in", victim)) === 1);
      returns.push(performance.now() - ready);
    }
  });
  const events = await poolEvents(edge.url);
  const gaps = await gapBounds(edge.url);
  const continued = events.get("continue") ?? 0;
  if (continued === 0) wrong.push("no stream was continued: nothing was shown");
  return {
    figures: {
      kills,
      answers: with9.length,
      continued,
      "gap p50 ms, at most": gaps(0.5),
      "gap p99 ms, at most": gaps(0.99),
      moved: events.get("move") ?? 0,
      "p50 ms": at(with9, 0.5),
      "p50 ms without": at(base, 0.5),
      "p99 ms": at(with9, 0.99),
      "p99 ms without": at(base, 0.99),
      "longest ms": at(with9, 1),
      "back after ready, ms at most": Math.round(Math.max(...returns)),
    },
    wrong,
  };
}

/** What clients see while something happens. */
async function underLoad(
  url: string,
  truth: ReadonlyMap<string, string>,
  wrong: string[],
  meanwhile: () => Promise<unknown>,
): Promise<readonly Ending[]> {
  const endings: Ending[] = [];
  const over = new AbortController();
  const clients = Array.from({ length: CLIENTS }, async (_, client) => {
    for (let turn = 0; !over.signal.aborted; turn++) {
      const prompt = PROMPTS[(client + turn) % PROMPTS.length]!;
      const stream = (client + turn) % 3 !== 0;
      const ending = await ask(url, { prompt, tokens: TOKENS, stream });
      endings.push(ending);
      const { kind, status, code, text } = ending;
      if (kind !== "complete") wrong.push(`a request was ${kind}: ${status} ${code ?? ""}`);
      else if (text !== truth.get(prompt)) wrong.push("a request has another text than alone");
    }
  });
  try {
    await meanwhile();
  } finally {
    over.abort();
    await Promise.all(clients);
  }
  return endings;
}

function at(endings: readonly Ending[], share: number): number {
  const sorted = endings.map(({ milliseconds }) => milliseconds).toSorted((a, b) => a - b);
  return Math.round(sorted[Math.ceil(share * sorted.length) - 1] ?? NaN);
}

async function nodeMetric(url: string, name: string, node: number): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const [, value] =
    new RegExp(`^sirocco_pool_${name}\\{node="n${node}"\\} (\\S+)$`, "m").exec(text) ?? [];
  return Number(value);
}

/** By a share of the gaps in answers that went on elsewhere, the bound below which it lies, in milliseconds. */
async function gapBounds(url: string): Promise<(share: number) => number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const buckets = Array.from(
    text.matchAll(/^sirocco_pool_gap_seconds_bucket\{le="([^"]+)"\} (\d+)$/gm),
    ([, bound, count]) => ({
      bound: Number(bound?.replace("+Inf", "Infinity")),
      count: Number(count),
    }),
  );
  const total = buckets.at(-1)?.count ?? 0;
  return (share) => 1000 * (buckets.find(({ count }) => count >= share * total)?.bound ?? NaN);
}

async function poolEvents(url: string): Promise<ReadonlyMap<string, number>> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const found = text.matchAll(/^sirocco_pool_events_total\{event="(\w+)"\} (\d+)$/gm);
  return new Map(Array.from(found, ([, event, count]) => [event!, Number(count)]));
}

/** Longer than anything here takes. */
const LONGEST_MS = 20_000;

async function until(condition: () => Promise<boolean>): Promise<void> {
  const begun = performance.now();
  while (!(await condition())) {
    if (performance.now() - begun > LONGEST_MS) throw new Error("It did not come to that");
    await sleep(10);
  }
}
