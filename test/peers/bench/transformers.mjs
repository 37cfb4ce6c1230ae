/**
 * The same measurements for transformers.js on Node (ONNX Runtime, native), of random weights in SmolLM2-135M's shape that
 * test/bench/onnx.ts made: q4 for a GGUF file in Q4_0, q8 for one in Q8_0. `generate` is greedy and includes its own sampling.
 *
 *     node test/peers/bench/transformers.mjs --model F.gguf --threads N --tests pp128,pp512,tg64 [-r N]      -> JSON rows
 */
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { AutoModelForCausalLM, env, Tensor } from "@huggingface/transformers";
import { parseTest, toRow } from "./spread.mjs";

const models = path.join(path.dirname(fileURLToPath(import.meta.url)), "../../../.cache/models");
const { values } = parseArgs({
  options: {
    model: { type: "string" },
    threads: { type: "string", default: "1" },
    tests: { type: "string", default: "pp128,pp512,tg64" },
    repetitions: { type: "string", short: "r", default: "3" },
  },
});
const threads = Number(values.threads);
const dtype = values.model.includes("Q8_0") ? "q8" : "q4";
env.allowRemoteModels = false;
env.localModelPath = models;
const model = await AutoModelForCausalLM.from_pretrained("smollm2-shape-onnx", {
  dtype,
  device: "cpu",
  session_options: { intraOpNumThreads: threads, interOpNumThreads: 1 },
});
const vocabSize = model.config.vocab_size;

function filled(n, make) {
  return new Tensor("int64", BigInt64Array.from({ length: n }, make), [1, n]);
}

/** Tokens per second of one run. */
async function speed({ kind, n }) {
  const length = kind === "pp" ? n : 1;
  const input_ids = filled(length, () => BigInt(Math.floor(Math.random() * vocabSize)));
  const attention_mask = filled(length, () => 1n);
  const max_new_tokens = kind === "pp" ? 1 : n;
  const start = performance.now();
  const output = await model.generate({
    inputs: input_ids,
    attention_mask,
    max_new_tokens,
    do_sample: false,
  });
  const seconds = (performance.now() - start) / 1000;
  if (output.dims[1] !== length + max_new_tokens)
    throw new Error(`asked for ${kind}${n}, got ${output.dims[1] - length} tokens`);
  return n / seconds;
}

const { version } = env;
const peer = `transformers.js ${version} ${dtype} (onnxruntime-node)`;
const rows = [];
for (const test of values.tests.split(",")) {
  const what = parseTest(test);
  await speed(what);
  const speeds = [];
  for (let i = 0; i < Number(values.repetitions); i++) speeds.push(await speed(what));
  rows.push(toRow({ peer, model: path.basename(values.model), threads, test }, speeds));
}
process.stdout.write(`${JSON.stringify(rows)}\n`);
