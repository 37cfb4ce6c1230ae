/**
 * From asking sirocco to load a model to the first token after a prompt of 32 tokens, and the peak memory of this process, on whichever
 * runtime runs this. Plain JavaScript and the built package: that is what users start.
 *
 *     node test/bench/start.mjs F [threads]      -> { load_ms, first_token_ms, peak_rss, kv_bytes, threads }
 */
import { readFileSync } from "node:fs";
import { GREEDY } from "../../dist/core/sampler/params.js";
import { loadLocal } from "../../dist/adapters/node/mod.js";

/** Positions of the cache, the same for every peer. */
const CONTEXT = 1024;
const PROMPT = 32;

const [, , file, threads = "1"] = process.argv;
const start = performance.now();
const model = await loadLocal({
  model: file,
  threads: Number(threads),
  contextSize: CONTEXT,
  parallel: 1,
});
const load = performance.now() - start;
const tokens = Array.from({ length: PROMPT }, (_, i) => 100 + i);
let first;
const request = { tokens, maxTokens: 1, sampling: GREEDY, stopTokens: [] };
for await (const event of model.engine.generate(request)) {
  first ??= performance.now() - start;
  if (event.type === "done") break;
}
const { memory, threads: ran } = model.engine.info;
process.stdout.write(
  `${JSON.stringify({ load_ms: load, first_token_ms: first, peak_rss: peakRss(), kv_bytes: memory.kv, threads: ran })}\n`,
);
await model.close();

/** The most memory this process ever held, bytes: by Linux's own account, which is the same under every runtime. */
function peakRss() {
  const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
  return Number(kib) * 1024;
}
