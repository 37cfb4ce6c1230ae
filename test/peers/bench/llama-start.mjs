/**
 * What test/bench/start.mjs measures, of llama.cpp: load to first token of a prompt of 32, peak memory of the process. The cache has as many
 * positions and llama.cpp's own default type, f16.
 *
 *     node test/peers/bench/llama-start.mjs F [threads]      -> { load_ms, first_token_ms, peak_rss, kv_bytes, threads }
 */
import { readFileSync } from "node:fs";
import { readGgufFileInfo } from "node-llama-cpp";
import { openLlama } from "../llama/session.mjs";

const CONTEXT = 1024;
const PROMPT = 32;
const F16_BYTES = 2;

const [, , file, threads = "1"] = process.argv;
const start = performance.now();
const llama = await openLlama({ model: file, contextSize: CONTEXT, threads: Number(threads) });
const load = performance.now() - start;
const tokens = Array.from({ length: PROMPT }, (_, i) => 100 + i);
const [handle] = await llama.decode(tokens, 0, [PROMPT - 1]);
await llama.argmax(handle);
const first = performance.now() - start;
const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
const { llama: shape } = (await readGgufFileInfo(file)).metadata;
const kvDim = (shape.embedding_length / shape.attention.head_count) * shape.attention.head_count_kv;
process.stdout.write(
  `${JSON.stringify({
    load_ms: load,
    first_token_ms: first,
    peak_rss: Number(kib) * 1024,
    kv_bytes: 2 * shape.block_count * kvDim * CONTEXT * F16_BYTES,
    threads: Number(threads),
  })}\n`,
);
await llama.close();
