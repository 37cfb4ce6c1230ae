/**
 * `npm run soak`: the load profiles and faults in full, against the built command with the demo model. Prints a table
 * and ends with 1 where anything was wrong.
 *
 * - `--only L2,L7,L8` leaves out all others.
 * - `--minutes N` (default 10): length of L8, the mixed load during which memory is watched; a release wants 120.
 * - `--seconds N` (default 60): length of each part of the others that are watched for a while; L2 wants 600.
 */
import { parseArgs } from "node:util";
import { startServer, type ServerProcess } from "../fixtures/cli.ts";
import { metricsOf } from "./client.ts";
import { halfOpen } from "./half-open.ts";
import { mixed } from "./mixed.ts";
import { neighbour } from "./neighbour.ts";
import { overload } from "./open-loop.ts";
import * as profiles from "./profiles.ts";
import type { Seen } from "./seen.ts";
import { slowClients } from "./slow-clients.ts";
import { storm } from "./storm.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    minutes: { type: "string", default: "10" },
    seconds: { type: "string", default: "60" },
  },
});
const minutes = Number(values.minutes);
const watchMs = 1000 * Number(values.seconds);
const only = values.only?.split(",").map((name) => name.trim());

/** Headers and bodies have 10 and 30 s, and are looked after every 5 s. */
const REAPED_MS = 45_000;

let shared:
  | Promise<{ readonly server: ServerProcess; readonly truth: readonly string[] }>
  | undefined;

/** The server of those profiles that need no other. */
async function serve() {
  const server = await startServer();
  return { server, truth: await profiles.reference(server.url) };
}

/** A profile against it. */
const against =
  (profile: (url: string, truth: readonly string[]) => Promise<Seen>) =>
  async (): Promise<Seen> => {
    const { server, truth } = await (shared ??= serve());
    return profile(server.url, truth);
  };

async function overloaded(milliseconds: number): Promise<Seen> {
  const { server } = await (shared ??= serve());
  return overload({ url: server.url, pid: server.child.pid! }, [2, 4], milliseconds);
}

const PLAN: readonly (readonly [name: string, what: string, run: () => Promise<Seen>])[] = [
  ["L1", "1 client", against((url, truth) => profiles.steady(url, truth, 1, watchMs / 2))],
  ["L1", "8 clients", against((url, truth) => profiles.steady(url, truth, 8, watchMs / 2))],
  ["L1", "32 clients", against((url, truth) => profiles.steady(url, truth, 32, watchMs / 2))],
  ["L2", "400 at once", against((url, truth) => profiles.burst(url, truth, 400))],
  ["L2", "more than it can do", () => overloaded(watchMs)],
  ["L3", "rude clients", against((url, truth) => profiles.rude(url, truth, 60))],
  ["L4", "who never read", against((url, truth) => profiles.paused(url, truth, 200))],
  ["L5", "1000 equal ones", against((url, truth) => profiles.identical(url, truth, 1000))],
  ["L6", "retry storm", against((url, truth) => storm(url, truth, watchMs, 10_000))],
  ["L7", "noisy neighbour", () => neighbour(watchMs / 2)],
  ["F16", "slow clients", against((url, truth) => slowClients(url, truth, 500, REAPED_MS))],
  ["F16", "clients that vanish", halfOpen],
  ["resume", "broken streams", against((url, truth) => profiles.resumed(url, truth))],
  ["L8", "memory", () => mixed(minutes)],
];

let failed = false;
process.stdout.write("| profile | | s | seen | wrong |\n| --- | --- | --- | --- | --- |\n");
for (const [name, what, run] of PLAN) {
  if (only !== undefined && !only.includes(name)) continue;
  const begun = performance.now();
  const { figures, wrong } = await run();
  failed ||= wrong.length > 0;
  const seconds = Math.round((performance.now() - begun) / 1000);
  const seen = Object.entries(figures).map(([figure, value]) => `${figure} ${value}`);
  process.stdout.write(
    `| ${name} | ${what} | ${seconds} | ${seen.join("; ")} | ${summary(wrong)} |\n`,
  );
}
if (shared !== undefined) {
  const { server } = await shared;
  const end = await metricsOf(server.url);
  const of = (name: string) => end.get(`vllm:${name}`) ?? 0;
  process.stdout.write(
    `\npreemptions ${of("num_preemptions_total")}, prefix cache hits ${of("prefix_cache_hits_total")} of ${of("prefix_cache_queries_total")} tokens, ` +
      `guesses right ${of("spec_decode_num_accepted_tokens_total")} of ${of("spec_decode_num_draft_tokens_total")}\n`,
  );
  await server.stop();
}
process.exitCode = failed ? 1 : 0;

/** The first few of different kinds, and how many there are. */
function summary(wrong: readonly string[]): string {
  const kinds = [...new Set(wrong)];
  const more = wrong.length > 3 ? ` (${wrong.length} in all)` : "";
  return kinds.length === 0 ? "nothing" : `${kinds.slice(0, 3).join("; ")}${more}`;
}
