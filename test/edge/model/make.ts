/**
 * `npm run model:edge`: makes SmolLM2-135M-Instruct in the mix that fits an edge worker, out of the Q4_1 file that
 * `npm run model:smollm2` fetches, in `.cache/models` (or `SIROCCO_MODELS`); about two minutes. The last line on
 * stdout is the path.
 *
 * The embedding, which is also the head, and the gated half of the middle layers become Q4_0 with their errors
 * handed on; all else stays as it is. What that costs: examples/edge-worker/README.md.
 */
import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { openFileSource } from "../../../adapters/node/sources/file-source.ts";
import { dequantize } from "../../../core/quant/dequantize.ts";
import { prepareMoments, quantizeWithFeedback } from "../../../core/quant/error-feedback.ts";
import { openGguf } from "../../../core/gguf/parse.ts";
import { createTokenizer } from "../../../core/tokenizer/create.ts";
import { EDGE_MODEL, SOURCE_MODEL } from "./files.ts";
import { collectMoments } from "./inputs.ts";
import { type Replacement, rewriteGguf, wholeTensor } from "./rewrite.ts";

/** Layers whose gate and up projections are rounded; the first and the last ones' rounding counts most. */
const FIRST_LAYER = 4;
const LAST_LAYER = 23;
/** What GPTQ's authors use. */
const DAMPING = 0.01;

const EMBEDDING = "token_embd.weight";

/** The weight whose input a rounded weight shares; `undefined` for one that stays. */
function inputOf(name: string): string | undefined {
  if (name === EMBEDDING) return EMBEDDING;
  const [, layer, part] = /^blk\.(\d+)\.ffn_(gate|up)\.weight$/.exec(name) ?? [];
  if (part === undefined || Number(layer) < FIRST_LAYER || Number(layer) > LAST_LAYER)
    return undefined;
  return `blk.${layer}.ffn_gate.weight`;
}

async function make(): Promise<void> {
  const source = await openFileSource(SOURCE_MODEL);
  const gguf = await openGguf(source);
  const tokenizer = createTokenizer(gguf.metadata);
  const moments = await collectMoments(gguf, tokenizer, (name) => inputOf(name) === name);
  const replacements = new Map<string, Replacement>();
  for (const info of gguf.tensors.values()) {
    const sums = moments.get(inputOf(info.name) ?? "");
    if (sums === undefined) continue;
    const [rows, columns] = info.shape as [number, number];
    const values = new Float32Array(rows * columns);
    dequantize(info.type, await wholeTensor(gguf, info), values);
    const prepared = prepareMoments(sums, columns, DAMPING);
    replacements.set(info.name, {
      type: "q4_0",
      bytes: quantizeWithFeedback("q4_0", values, prepared),
    });
    process.stderr.write(`${info.name}\n`);
  }
  await rewriteGguf(source, gguf, replacements, EDGE_MODEL);
  await gguf.close();
}

async function digest(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file)) hash.update(chunk as Uint8Array);
  return hash.digest("hex");
}

if (!existsSync(EDGE_MODEL)) await make();
process.stderr.write(`sha256 ${await digest(EDGE_MODEL)}\n`);
process.stdout.write(`${EDGE_MODEL}\n`);
