/**
 * Prints, as JSON, what llama.cpp makes of a GGUF file.
 *
 *     node test/peers/llama-oracle.mjs --model F --text T [--ctx 512] [--chunks N]      -> { tokens, nll, ppl, chunks, ... }
 *     node test/peers/llama-oracle.mjs --model F --prompts P.json [-n 48]              -> { answers: [{ tokens, text, ... }], ... }
 *
 * `--kv f16|f32` chooses the type of the key and value cache (llama.cpp's default f16), `--threads` how many compute. Answers are kept
 * under .cache/peers by the digests of everything they depend on; `--fresh` computes anew. Node 22 or newer.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { greedy, perplexity } from "./llama/oracle.mjs";
import { openLlama } from "./llama/session.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));
const cacheFolder = path.join(here, "..", "..", ".cache", "peers");

async function digestOf(file) {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file)) hash.update(chunk);
  return hash.digest("hex");
}

/** A cached answer for `key`, or what `compute` gives. The key names every input by its digest, and the code that computes. */
async function cached(key, fresh, compute) {
  const name = createHash("sha256").update(JSON.stringify(key)).digest("hex").slice(0, 32);
  const file = path.join(cacheFolder, `llama-${name}.json`);
  if (!fresh) {
    const kept = await readFile(file, "utf8").catch(() => undefined);
    if (kept !== undefined) return JSON.parse(kept).answer;
  }
  const answer = await compute();
  await mkdir(cacheFolder, { recursive: true });
  await writeFile(`${file}.${process.pid}`, `${JSON.stringify({ key, answer }, undefined, 2)}\n`);
  await rename(`${file}.${process.pid}`, file);
  return answer;
}

const { values } = parseArgs({
  options: {
    model: { type: "string" },
    text: { type: "string" },
    prompts: { type: "string" },
    ctx: { type: "string", default: "512" },
    chunks: { type: "string" },
    predict: { type: "string", short: "n", default: "48" },
    kv: { type: "string", default: "f16" },
    threads: { type: "string", default: "1" },
    fresh: { type: "boolean", default: false },
  },
});
const input = values.text ?? values.prompts;
if (values.model === undefined || input === undefined) {
  process.stderr.write(
    "usage: llama-oracle.mjs --model F (--text T [--ctx N] [--chunks N] | --prompts P.json [-n N])\n",
  );
  process.exit(2);
}

const inputs = [
  values.model,
  input,
  path.join(here, "package-lock.json"),
  path.join(here, "llama", "oracle.mjs"),
  path.join(here, "llama", "session.mjs"),
];
const { fresh, ...settings } = values;
const key = {
  settings: { ...settings, model: "", text: "", prompts: "" },
  digests: await Promise.all(inputs.map(digestOf)),
};

const answer = await cached(key, fresh, async () => {
  const ctx = Number(values.ctx);
  const llama = await openLlama({
    model: values.model,
    contextSize: ctx,
    batchSize: ctx,
    threads: Number(values.threads),
    kv: values.kv,
  });
  try {
    const about = { peer: llama.release, cpu: llama.system, kv: values.kv, flashAttention: false };
    if (values.text !== undefined) {
      const chunks = values.chunks === undefined ? undefined : Number(values.chunks);
      return {
        ...about,
        ...(await perplexity(llama, await readFile(values.text, "utf8"), ctx, chunks)),
      };
    }
    const answers = [];
    for (const prompt of JSON.parse(await readFile(values.prompts, "utf8"))) {
      answers.push(await greedy(llama, prompt, Number(values.predict)));
    }
    return { ...about, answers };
  } finally {
    await llama.close();
  }
});
process.stdout.write(`${JSON.stringify(answer)}\n`);
