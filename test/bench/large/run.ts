/**
 * One measurement of a large model in a process of its own: loading it, its memory, and generation.
 *
 *     node test/bench/large/run.ts FILE THREADS TOKENS      -> a LargeRun as JSON
 */
import { readFileSync } from "node:fs";
import { loadLocal } from "../../../adapters/node/load.ts";
import { GREEDY } from "../../../core/sampler/params.ts";

/** What was measured. */
export interface LargeRun {
  readonly threads: number;
  readonly loadSeconds: number;
  /** Tokens of an answer per second, of each of its thirds: the first may still be warming up. */
  readonly speeds: readonly number[];
  /** Bytes of weights that a step of one token reads. */
  readonly bytesPerToken: number;
  /** Bytes of keys and values. */
  readonly kvBytes: number;
  /** The most memory that the process ever held, bytes. */
  readonly peakRss: number;
}

/** Positions of the cache: a quarter of a gibibyte for Mistral 7B. */
const CONTEXT = 1024;

/** Parts of an answer whose speed is told apart. */
const PARTS = 3;

const [, , file = "", threads = "1", tokens = "24"] = process.argv;
const started = performance.now();
const model = await loadLocal({
  model: file,
  threads: Number(threads),
  backend: "wasm",
  contextSize: CONTEXT,
  parallel: 1,
  kvBytes: Infinity,
  speculate: false,
  inProcess: true,
});
const loadSeconds = (performance.now() - started) / 1000;
const times: number[] = [];
const request = { tokens: [1], maxTokens: Number(tokens), sampling: GREEDY, stopTokens: [] };
for await (const event of model.engine.generate(request)) {
  if (event.type === "token") times.push(performance.now());
}
const { memory } = model.engine.info;
const run: LargeRun = {
  threads: model.engine.info.threads,
  loadSeconds,
  speeds: Array.from({ length: PARTS }, (_, part) => speedOf(part)),
  bytesPerToken: model.weightBytesPerToken,
  kvBytes: memory.kv,
  peakRss: peakRss(),
};
process.stdout.write(`${JSON.stringify(run)}\n`);
await model.close();

function speedOf(part: number): number {
  const length = Math.floor((times.length - 1) / PARTS);
  const [first, last] = [times[part * length]!, times[(part + 1) * length]!];
  return (1000 * length) / (last - first);
}

/** By Linux's own account. */
function peakRss(): number {
  const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
  return Number(kib) * 1024;
}
