import type { Tensor } from "../tensor/tensor.ts";
import type { ModelConfig } from "./model.ts";
import {
  attentionShapes,
  decoderEnds,
  type DecoderEnds,
  decoderShapes,
  denseShapes,
  type Present,
  shapesOf,
  take,
} from "./weight-names.ts";

/** Weights of one layer. Files hold norms as what is multiplied with: 1 + w of the published ones. */
export interface Gemma3Layer {
  readonly attnNorm: Tensor; // [dim]
  readonly q: Tensor; // [heads * headDim, dim]
  readonly k: Tensor; // [kvHeads * headDim, dim]
  readonly v: Tensor; // [kvHeads * headDim, dim]
  readonly qNorm: Tensor; // [headDim]
  readonly kNorm: Tensor; // [headDim]
  readonly o: Tensor; // [dim, heads * headDim]
  readonly attnPostNorm: Tensor; // [dim]
  readonly ffnNorm: Tensor; // [dim]
  readonly gate: Tensor; // [hiddenDim, dim]
  readonly up: Tensor; // [hiddenDim, dim]
  readonly down: Tensor; // [dim, hiddenDim]
  readonly ffnPostNorm: Tensor; // [dim]
}

/** Weights of the whole network. */
export interface Gemma3Weights extends DecoderEnds {
  readonly layers: readonly Gemma3Layer[];
}

/** Every tensor of a Gemma 3 by its name in the file. */
export function gemma3Shapes(
  config: ModelConfig,
  present: Present,
): ReadonlyMap<string, readonly number[]> {
  const { dim, headDim } = config;
  return shapesOf(
    config,
    {
      whole: decoderShapes(config, present),
      layer: {
        "attn_norm.weight": [dim],
        ...attentionShapes(config),
        "attn_q_norm.weight": [headDim],
        "attn_k_norm.weight": [headDim],
        "post_attention_norm.weight": [dim],
        "ffn_norm.weight": [dim],
        ...denseShapes(config),
        "post_ffw_norm.weight": [dim],
      },
    },
    present,
  );
}

/** Loaded tensors under the names that the forward pass uses. Throws `TypeError` where one is missing. */
export function gemma3Weights(
  config: ModelConfig,
  tensors: ReadonlyMap<string, Tensor>,
): Gemma3Weights {
  const layer = (i: number): Gemma3Layer => {
    const of = (name: string): Tensor => take(tensors, `blk.${i}.${name}.weight`);
    return {
      attnNorm: of("attn_norm"),
      q: of("attn_q"),
      k: of("attn_k"),
      v: of("attn_v"),
      qNorm: of("attn_q_norm"),
      kNorm: of("attn_k_norm"),
      o: of("attn_output"),
      attnPostNorm: of("post_attention_norm"),
      ffnNorm: of("ffn_norm"),
      gate: of("ffn_gate"),
      up: of("ffn_up"),
      down: of("ffn_down"),
      ffnPostNorm: of("post_ffw_norm"),
    };
  };
  return {
    ...decoderEnds(tensors),
    layers: Array.from({ length: config.layers }, (_, i) => layer(i)),
  };
}
