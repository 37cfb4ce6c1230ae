/**
 * llama-bench's two measurements through node-llama-cpp: `pp<n>` evaluates n random tokens in one batch from an empty context, `tg<n>`
 * evaluates n random tokens one by one, neither samples. One run of each comes first and does not count.
 *
 *     node test/peers/bench/llama.mjs --model F --threads N --tests pp128,pp512,tg64 [-r N]      -> JSON rows
 */
import path from "node:path";
import { parseArgs } from "node:util";
import { readGgufFileInfo } from "node-llama-cpp";
import { openLlama } from "../llama/session.mjs";
import { parseTest, toRow } from "./spread.mjs";

const BATCH = 512;

const { values } = parseArgs({
  options: {
    model: { type: "string" },
    threads: { type: "string", default: "1" },
    tests: { type: "string", default: "pp128,pp512,tg64" },
    repetitions: { type: "string", short: "r", default: "3" },
  },
});
const threads = Number(values.threads);
const llama = await openLlama({
  model: values.model,
  contextSize: 1024,
  batchSize: BATCH,
  threads,
});
const vocabSize = (await readGgufFileInfo(values.model)).metadata.tokenizer.ggml.tokens.length;
const peer = `llama.cpp ${llama.release.split(" ")[1]} native (node-llama-cpp)`;

function randomTokens(n) {
  return Array.from({ length: n }, () => Math.floor(Math.random() * vocabSize));
}

/** Tokens per second of one run. */
async function speed({ kind, n }) {
  const tokens = randomTokens(n);
  llama.reset();
  const start = performance.now();
  if (kind === "pp") {
    for (let i = 0; i < n; i += BATCH) {
      const part = tokens.slice(i, i + BATCH);
      await llama.decode(part, i, [part.length - 1]);
    }
  } else {
    for (let i = 0; i < n; i++) await llama.decode([tokens[i]], i, [0]);
  }
  return (n * 1000) / (performance.now() - start);
}

const rows = [];
for (const test of values.tests.split(",")) {
  const what = parseTest(test);
  await speed(what);
  const speeds = [];
  for (let i = 0; i < Number(values.repetitions); i++) speeds.push(await speed(what));
  rows.push(
    toRow(
      { peer, model: path.basename(values.model), threads, test, bytesPerToken: llama.weightBytes },
      speeds,
    ),
  );
}
await llama.close();
process.stdout.write(`${JSON.stringify(rows)}\n`);
