/**
 * `npm run soak`: the load profiles and faults of `profiles.ts` in full, against the built command with the demo model. Prints a table and
 * ends with 1 where anything was wrong. `--minutes N` (default 10) is the length of the last profile, the mixed load during which memory is
 * watched; a release wants 120.
 */
import { parseArgs } from "node:util";
import { startServer } from "../fixtures/cli.ts";
import { metricsOf } from "./client.ts";
import * as profiles from "./profiles.ts";

const { values } = parseArgs({ options: { minutes: { type: "string", default: "10" } } });

/** As in Theil and Sen: the median of the slopes between all pairs; robust against single garbage collections. */
function slope(samples: readonly (readonly [number, number])[]): number {
  const slopes = samples.flatMap(([x, y], i) =>
    samples.slice(i + 1).map(([x2, y2]) => (y2 - y) / (x2 - x)),
  );
  return slopes.toSorted((a, b) => a - b)[slopes.length >> 1] ?? 0;
}

const MIB = 2 ** 20;

/** L8: rude and polite clients for so long, and what the server's memory does meanwhile. */
async function mixed(
  url: string,
  truth: readonly string[],
  minutes: number,
): Promise<profiles.Seen> {
  const start = performance.now();
  const end = start + minutes * 60_000;
  const samples: [number, number][] = [];
  const wrong: string[] = [];
  let rounds = 0;
  while (performance.now() < end) {
    const seen = await profiles.rude(url, truth, 10);
    wrong.push(...seen.wrong);
    rounds += 10;
    const rss = await profiles.memoryOf(url);
    samples.push([(performance.now() - start) / 60_000, (rss ?? NaN) / MIB]);
  }
  // The first tenth warms caches and heap up.
  const warm = samples.slice(Math.floor(samples.length / 10));
  const [first = [0, NaN]] = warm;
  const last = warm.at(-1) ?? first;
  const perTenMinutes = 10 * slope(warm);
  if (minutes >= 10 && last[1] > 1.1 * first[1]) wrong.push("memory grew by more than a tenth");
  return {
    figures: {
      rounds,
      "first MiB": Math.round(first[1]),
      "last MiB": Math.round(last[1]),
      "MiB in 10 min": perTenMinutes.toFixed(2),
    },
    wrong,
  };
}

const server = await startServer();
const truth = await profiles.reference(server.url);
const plan: readonly (readonly [string, () => Promise<profiles.Seen>])[] = [
  ["L1, 1 client", () => profiles.steady(server.url, truth, 1, 30_000)],
  ["L1, 8 clients", () => profiles.steady(server.url, truth, 8, 30_000)],
  ["L1, 32 clients", () => profiles.steady(server.url, truth, 32, 30_000)],
  ["L2", () => profiles.overload(server.url, truth, 400)],
  ["L3", () => profiles.rude(server.url, truth, 60)],
  ["L4", () => profiles.paused(server.url, truth, 200)],
  ["L5", () => profiles.identical(server.url, truth, 1000)],
  ["F16", () => profiles.slowloris(server.url, truth, 500)],
  ["resume", () => profiles.resumed(server.url, truth)],
  ["L8", () => mixed(server.url, truth, Number(values.minutes))],
];
let failed = false;
process.stdout.write("| profile | seen | wrong |\n| --- | --- | --- |\n");
for (const [name, run] of plan) {
  const { figures, wrong } = await run();
  failed ||= wrong.length > 0;
  const seen = Object.entries(figures).map(([what, value]) => `${what} ${value}`);
  process.stdout.write(
    `| ${name} | ${seen.join(", ")} | ${wrong.slice(0, 3).join("; ") || "nothing"} |\n`,
  );
}
const end = await metricsOf(server.url);
process.stdout.write(
  `\npreemptions ${end.get("vllm:num_preemptions_total")}, prefix cache hits ${end.get("vllm:prefix_cache_hits_total")} of ${end.get("vllm:prefix_cache_queries_total")} tokens, guesses right ${end.get("vllm:spec_decode_num_accepted_tokens_total")} of ${end.get("vllm:spec_decode_num_draft_tokens_total")}\n`,
);
await server.stop();
process.exitCode = failed ? 1 : 0;
