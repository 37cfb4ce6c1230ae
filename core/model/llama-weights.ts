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

/** Weights of one layer. */
export interface LlamaLayer {
  readonly attnNorm: Tensor; // [dim]
  readonly q: Tensor; // [heads * headDim, dim]
  readonly k: Tensor; // [kvHeads * headDim, dim]
  readonly v: Tensor; // [kvHeads * headDim, dim]
  readonly o: Tensor; // [dim, heads * headDim]
  /** As Qwen2 has them. */
  readonly qBias: Tensor | undefined; // [heads * headDim]
  readonly kBias: Tensor | undefined; // [kvHeads * headDim]
  readonly vBias: Tensor | undefined; // [kvHeads * headDim]
  readonly oBias: Tensor | undefined; // [dim]
  readonly ffnNorm: Tensor; // [dim]
  /** Experts where the configuration has them. */
  readonly feedForward: DenseWeights | ExpertWeights;
}

/** A feed-forward layer that all rows take. */
export interface DenseWeights {
  readonly gate: Tensor; // [hiddenDim, dim]
  readonly up: Tensor; // [hiddenDim, dim]
  readonly down: Tensor; // [dim, hiddenDim]
}

/** One of experts. */
export interface ExpertWeights {
  readonly router: Tensor; // [experts, dim]
  readonly gate: Tensor; // [experts, hiddenDim, dim]
  readonly up: Tensor; // [experts, hiddenDim, dim]
  readonly down: Tensor; // [experts, dim, hiddenDim]
}

/** Weights of the whole network. */
export interface LlamaWeights extends DecoderEnds {
  readonly layers: readonly LlamaLayer[];
}

/** Every tensor of a Llama by its name in the file; without `output.weight` the embedding serves twice. */
export function llamaShapes(
  config: ModelConfig,
  present: Present,
): ReadonlyMap<string, readonly number[]> {
  const { dim, hiddenDim, heads, kvHeads, headDim, experts } = config;
  const feedForward =
    experts === undefined
      ? denseShapes(config)
      : {
          "ffn_gate_inp.weight": [experts.count, dim],
          "ffn_gate_exps.weight": [experts.count, hiddenDim, dim],
          "ffn_up_exps.weight": [experts.count, hiddenDim, dim],
          "ffn_down_exps.weight": [experts.count, dim, hiddenDim],
        };
  return shapesOf(
    config,
    {
      whole: decoderShapes(config, present),
      layer: {
        "attn_norm.weight": [dim],
        ...attentionShapes(config),
        "ffn_norm.weight": [dim],
        ...feedForward,
      },
      optional: {
        "attn_q.bias": [heads * headDim],
        "attn_k.bias": [kvHeads * headDim],
        "attn_v.bias": [kvHeads * headDim],
        "attn_output.bias": [dim],
      },
    },
    present,
  );
}

/** Loaded tensors under the names that the forward pass uses. Throws `TypeError` where one is missing. */
export function llamaWeights(
  config: ModelConfig,
  tensors: ReadonlyMap<string, Tensor>,
): LlamaWeights {
  const layer = (i: number): LlamaLayer => {
    const of = (name: string): Tensor => take(tensors, `blk.${i}.${name}.weight`);
    const bias = (name: string): Tensor | undefined => tensors.get(`blk.${i}.${name}.bias`);
    return {
      attnNorm: of("attn_norm"),
      q: of("attn_q"),
      k: of("attn_k"),
      v: of("attn_v"),
      o: of("attn_output"),
      qBias: bias("attn_q"),
      kBias: bias("attn_k"),
      vBias: bias("attn_v"),
      oBias: bias("attn_output"),
      ffnNorm: of("ffn_norm"),
      feedForward:
        config.experts === undefined
          ? { gate: of("ffn_gate"), up: of("ffn_up"), down: of("ffn_down") }
          : {
              router: of("ffn_gate_inp"),
              gate: of("ffn_gate_exps"),
              up: of("ffn_up_exps"),
              down: of("ffn_down_exps"),
            },
    };
  };
  return {
    ...decoderEnds(tensors),
    layers: Array.from({ length: config.layers }, (_, i) => layer(i)),
  };
}
