import type { Tensor } from "../tensor/tensor.ts";
import type { LlamaLayer, LlamaWeights } from "./llama.ts";
import type { ModelConfig } from "./model.ts";

/** GGUF's names of a block's tensors. */
const LAYER_NAMES: Readonly<Record<keyof LlamaLayer, string>> = {
  attnNorm: "attn_norm",
  q: "attn_q",
  k: "attn_k",
  v: "attn_v",
  o: "attn_output",
  ffnNorm: "ffn_norm",
  gate: "ffn_gate",
  up: "ffn_up",
  down: "ffn_down",
};

const nameOf = (layer: number, part: keyof LlamaLayer): string =>
  `blk.${layer}.${LAYER_NAMES[part]}.weight`;

/** Every tensor of a Llama by its name in the file; without `output.weight` the embedding serves twice. */
export function llamaShapes(
  config: ModelConfig,
  tied: boolean,
): ReadonlyMap<string, readonly number[]> {
  const { dim, hiddenDim, heads, kvHeads, headDim, vocabSize } = config;
  const parts: Readonly<Record<keyof LlamaLayer, readonly number[]>> = {
    attnNorm: [dim],
    q: [heads * headDim, dim],
    k: [kvHeads * headDim, dim],
    v: [kvHeads * headDim, dim],
    o: [dim, heads * headDim],
    ffnNorm: [dim],
    gate: [hiddenDim, dim],
    up: [hiddenDim, dim],
    down: [dim, hiddenDim],
  };
  const shapes = new Map<string, readonly number[]>([
    ["token_embd.weight", [vocabSize, dim]],
    ["output_norm.weight", [dim]],
  ]);
  if (!tied) shapes.set("output.weight", [vocabSize, dim]);
  for (let layer = 0; layer < config.layers; layer++) {
    for (const part of Object.keys(parts) as (keyof LlamaLayer)[]) {
      shapes.set(nameOf(layer, part), parts[part]);
    }
  }
  return shapes;
}

/** Loaded tensors under the names that the forward pass uses. Throws `TypeError` where one is missing. */
export function llamaWeights(
  config: ModelConfig,
  tensors: ReadonlyMap<string, Tensor>,
): LlamaWeights {
  const take = (name: string): Tensor => {
    const tensor = tensors.get(name);
    if (tensor === undefined) throw new TypeError(`Cannot make the model: ${name} is not loaded`);
    return tensor;
  };
  const layer = (i: number): LlamaLayer => ({
    attnNorm: take(nameOf(i, "attnNorm")),
    q: take(nameOf(i, "q")),
    k: take(nameOf(i, "k")),
    v: take(nameOf(i, "v")),
    o: take(nameOf(i, "o")),
    ffnNorm: take(nameOf(i, "ffnNorm")),
    gate: take(nameOf(i, "gate")),
    up: take(nameOf(i, "up")),
    down: take(nameOf(i, "down")),
  });
  const embedding = take("token_embd.weight");
  return {
    embedding,
    layers: Array.from({ length: config.layers }, (_, i) => layer(i)),
    norm: take("output_norm.weight"),
    head: tensors.get("output.weight") ?? embedding,
  };
}
