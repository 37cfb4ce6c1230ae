import type { Tensor } from "../tensor/tensor.ts";
import type { ModelConfig } from "./model.ts";
import { type Present, shapesOf, take } from "./weight-names.ts";

/** A linear map. */
export interface Linear {
  readonly weight: Tensor; // [out, in]
  readonly bias: Tensor; // [out]
}

/** LayerNorm's parameters. */
export interface LayerNorm {
  readonly weight: Tensor; // [dim]
  readonly bias: Tensor; // [dim]
}

/** Weights of one layer. */
export interface BertLayer {
  readonly q: Linear; // [dim, dim]
  readonly k: Linear; // [dim, dim]
  readonly v: Linear; // [dim, dim]
  readonly o: Linear; // [dim, dim]
  readonly attnNorm: LayerNorm;
  readonly up: Linear; // [hiddenDim, dim]
  readonly down: Linear; // [dim, hiddenDim]
  readonly ffnNorm: LayerNorm;
}

/** Weights of the whole network. */
export interface BertWeights {
  readonly words: Tensor; // [vocab, dim]
  readonly positions: Tensor; // [contextLength, dim]
  /** Which of two texts a token belongs to: the first, always. */
  readonly types: Tensor | undefined; // [2, dim]
  readonly norm: LayerNorm;
  readonly layers: readonly BertLayer[];
}

/** Kinds of texts that a token may belong to. */
const TYPES = 2;

/** Every tensor of a BERT by its name in the file. */
export function bertShapes(
  config: ModelConfig,
  present: Present,
): ReadonlyMap<string, readonly number[]> {
  const { dim, hiddenDim, heads, kvHeads, headDim, vocabSize, contextLength } = config;
  const norm = (name: string) => ({ [`${name}.weight`]: [dim], [`${name}.bias`]: [dim] });
  return shapesOf(
    config,
    {
      whole: {
        "token_embd.weight": [vocabSize, dim],
        "position_embd.weight": [contextLength, dim],
        ...(present("token_types.weight") ? { "token_types.weight": [TYPES, dim] } : {}),
        ...norm("token_embd_norm"),
      },
      layer: {
        ...linear("attn_q", heads * headDim, dim),
        ...linear("attn_k", kvHeads * headDim, dim),
        ...linear("attn_v", kvHeads * headDim, dim),
        ...linear("attn_output", dim, heads * headDim),
        ...norm("attn_output_norm"),
        ...linear("ffn_up", hiddenDim, dim),
        ...linear("ffn_down", dim, hiddenDim),
        ...norm("layer_output_norm"),
      },
    },
    present,
  );
}

/** Loaded tensors under the names that the forward pass uses. Throws `TypeError` where one is missing. */
export function bertWeights(
  config: ModelConfig,
  tensors: ReadonlyMap<string, Tensor>,
): BertWeights {
  const both = (name: string): Linear & LayerNorm => ({
    weight: take(tensors, `${name}.weight`),
    bias: take(tensors, `${name}.bias`),
  });
  const layer = (i: number): BertLayer => ({
    q: both(`blk.${i}.attn_q`),
    k: both(`blk.${i}.attn_k`),
    v: both(`blk.${i}.attn_v`),
    o: both(`blk.${i}.attn_output`),
    attnNorm: both(`blk.${i}.attn_output_norm`),
    up: both(`blk.${i}.ffn_up`),
    down: both(`blk.${i}.ffn_down`),
    ffnNorm: both(`blk.${i}.layer_output_norm`),
  });
  return {
    words: take(tensors, "token_embd.weight"),
    positions: take(tensors, "position_embd.weight"),
    types: tensors.get("token_types.weight"),
    norm: both("token_embd_norm"),
    layers: Array.from({ length: config.layers }, (_, i) => layer(i)),
  };
}

function linear(name: string, rows: number, columns: number): Record<string, readonly number[]> {
  return { [`${name}.weight`]: [rows, columns], [`${name}.bias`]: [rows] };
}
