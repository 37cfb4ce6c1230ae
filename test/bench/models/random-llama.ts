/**
 * Models of a real shape with random weights: speed and memory depend on the shape, so nothing has to be downloaded, and files of any size
 * can be made. The weights are seeded; the file is the same everywhere.
 *
 *     node test/bench/models/random-llama.ts [1.1b|7b|8x7b]      -> the path of the file, made if it is not there
 */
import { existsSync } from "node:fs";
import { mkdir, open, rename } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { byteLength, WEIGHT_TYPES } from "../../../core/tensor/dtype.ts";
import { toFloat16 } from "../../../core/numeric/float16.ts";
import { typed, writeGgufHeader } from "../../fixtures/gguf-writer.ts";
import type { TensorHeader, WriteValue } from "../../fixtures/gguf-writer.ts";
import { createRandom, type Random } from "../../fixtures/random.ts";
import { tinyVocabulary } from "../../fixtures/tiny-model.ts";

/** A Llama without tied embeddings; every width is a multiple of 32. */
export interface LlamaShape {
  readonly name: string;
  readonly dim: number;
  readonly hiddenDim: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly vocabSize: number;
  readonly contextLength: number;
  /** Feed-forward layers of so many experts, of which a token takes `used`. */
  readonly experts?: { readonly count: number; readonly used: number };
}

/** TinyLlama-1.1B: 620 MB in Q4_0, many times what a last-level cache holds. */
const TINY_LLAMA: LlamaShape = {
  name: "random-1.1b",
  dim: 2048,
  hiddenDim: 5632,
  layers: 22,
  heads: 32,
  kvHeads: 4,
  vocabSize: 32_000,
  contextLength: 2048,
};

/** Mistral 7B: 4.1 GB, which with its cache is more than one WebAssembly memory. */
const MISTRAL: LlamaShape = {
  name: "random-7b",
  dim: 4096,
  hiddenDim: 14_336,
  layers: 32,
  heads: 32,
  kvHeads: 8,
  vocabSize: 32_000,
  contextLength: 32_768,
};

/** The first layers of Mixtral 8x7B, 8.3 GB: file and memory together are in a machine of 24 GB. */
const MIXTRAL: LlamaShape = {
  ...MISTRAL,
  name: "random-8x7b-10",
  layers: 10,
  experts: { count: 8, used: 2 },
};

/** What can be made, by what it is called on the command line. */
export const SHAPES: Readonly<Record<string, LlamaShape>> = {
  "1.1b": TINY_LLAMA,
  "7b": MISTRAL,
  "8x7b": MIXTRAL,
};

const ALIGNMENT = 32;
/** llama.h's `LLAMA_FTYPE_MOSTLY_Q4_0`. */
const MOSTLY_Q4_0 = 2;
/** Deviation of a whole number drawn evenly from -8 to 7. */
const QUANT_DEVIATION = Math.sqrt((16 ** 2 - 1) / 12);

/** Write `shape` as pure Q4_0 (norms f32), one tensor in memory at a time. The file appears when it is complete. */
export async function writeRandomLlama(
  file: string,
  shape: LlamaShape,
  seed: number,
): Promise<void> {
  const tensors = tensorsOf(shape);
  const random = createRandom(seed);
  const part = `${file}.part`;
  await mkdir(path.dirname(file), { recursive: true });
  const out = await open(part, "w");
  try {
    await out.write(writeGgufHeader({ metadata: metadataOf(shape), tensors }));
    for (const [index, tensor] of tensors.entries()) {
      const bytes = tensor.type === "f32" ? norm(tensor) : randomQ4(tensor, random);
      const padding = index < tensors.length - 1 ? -bytes.byteLength & (ALIGNMENT - 1) : 0;
      await out.write(bytes);
      await out.write(new Uint8Array(padding));
    }
  } finally {
    await out.close();
  }
  await rename(part, file);
}

function tensorsOf(shape: LlamaShape): readonly TensorHeader[] {
  const { dim, hiddenDim, vocabSize } = shape;
  const kvDim = (dim / shape.heads) * shape.kvHeads;
  const tensors: TensorHeader[] = [];
  const matrix = (name: string, ...dimensions: readonly number[]): void => {
    tensors.push({ name: `${name}.weight`, shape: dimensions, type: "q4_0" });
  };
  const vector = (name: string): void => {
    tensors.push({ name: `${name}.weight`, shape: [dim], type: "f32" });
  };
  matrix("token_embd", vocabSize, dim);
  for (let layer = 0; layer < shape.layers; layer++) {
    vector(`blk.${layer}.attn_norm`);
    matrix(`blk.${layer}.attn_q`, dim, dim);
    matrix(`blk.${layer}.attn_k`, kvDim, dim);
    matrix(`blk.${layer}.attn_v`, kvDim, dim);
    matrix(`blk.${layer}.attn_output`, dim, dim);
    vector(`blk.${layer}.ffn_norm`);
    if (shape.experts === undefined) {
      matrix(`blk.${layer}.ffn_gate`, hiddenDim, dim);
      matrix(`blk.${layer}.ffn_up`, hiddenDim, dim);
      matrix(`blk.${layer}.ffn_down`, dim, hiddenDim);
      continue;
    }
    const { count } = shape.experts;
    matrix(`blk.${layer}.ffn_gate_inp`, count, dim);
    matrix(`blk.${layer}.ffn_gate_exps`, count, hiddenDim, dim);
    matrix(`blk.${layer}.ffn_up_exps`, count, hiddenDim, dim);
    matrix(`blk.${layer}.ffn_down_exps`, count, dim, hiddenDim);
  }
  vector("output_norm");
  matrix("output", vocabSize, dim);
  return tensors;
}

function metadataOf(shape: LlamaShape): Readonly<Record<string, WriteValue>> {
  return {
    "general.architecture": "llama",
    "general.name": shape.name,
    "general.file_type": MOSTLY_Q4_0,
    "general.alignment": ALIGNMENT,
    "llama.vocab_size": shape.vocabSize,
    "llama.context_length": shape.contextLength,
    "llama.embedding_length": shape.dim,
    "llama.block_count": shape.layers,
    "llama.feed_forward_length": shape.hiddenDim,
    "llama.attention.head_count": shape.heads,
    "llama.attention.head_count_kv": shape.kvHeads,
    "llama.attention.layer_norm_rms_epsilon": typed("f32", 1e-5),
    "llama.rope.dimension_count": shape.dim / shape.heads,
    "llama.rope.freq_base": typed("f32", 10_000),
    ...(shape.experts === undefined
      ? {}
      : {
          "llama.expert_count": shape.experts.count,
          "llama.expert_used_count": shape.experts.used,
        }),
    ...tinyVocabulary(shape.vocabSize),
  };
}

/** Blocks of a scale and 16 bytes of any two quants; scaled so that activations keep their size from layer to layer. */
function randomQ4({ shape, type }: TensorHeader, random: Random): Uint8Array {
  const columns = shape.at(-1) ?? 1;
  const count = shape.reduce((product, length) => product * length, 1);
  const size = byteLength(type, count);
  const words = new Uint32Array(Math.ceil(size / 4));
  for (let i = 0; i < words.length; i++) words[i] = random.next() * 2 ** 32;
  const bytes = new Uint8Array(words.buffer, 0, size);
  const scale = toFloat16(1 / (QUANT_DEVIATION * Math.sqrt(columns)));
  // Quants average -1/2: scales of either sign keep that from adding up.
  for (let block = 0; block < size; block += WEIGHT_TYPES.q4_0.bytes) {
    bytes[block] = scale & 0xff;
    bytes[block + 1] = (scale >> 8) | (random.next() < 0.5 ? 0x80 : 0);
  }
  return bytes;
}

function norm({ shape }: TensorHeader): Uint8Array {
  return new Uint8Array(new Float32Array(shape[0] ?? 0).fill(1).buffer);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = path.join(path.dirname(fileURLToPath(import.meta.url)), "..", "..", "..");
  const folder = process.env["SIROCCO_MODELS"] ?? path.join(root, ".cache", "models");
  const [, , name = "1.1b"] = process.argv;
  const shape = SHAPES[name];
  if (shape === undefined) {
    throw new TypeError(`Cannot make "${name}": there are ${Object.keys(SHAPES).join(", ")}`);
  }
  const file = path.join(folder, `${shape.name}.Q4_0-pure.gguf`);
  if (!existsSync(file)) await writeRandomLlama(file, shape, 1);
  process.stdout.write(`${file}\n`);
}
