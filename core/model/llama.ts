import type {
  AttentionOptions,
  Allocator,
  KvLayer,
  Ops,
  Product,
  Experts,
} from "../tensor/backend.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { createDecoder, type LayerStep, type Wave } from "./decoder.ts";
import type { DenseWeights, ExpertWeights, LlamaLayer, LlamaWeights } from "./llama-weights.ts";
import type { Model, ModelConfig, ModelLimits } from "./model.ts";
import { rotationsOf } from "./rotations.ts";
import { windowOf } from "./window.ts";

/** Activations of a feed-forward layer: of one that all rows take, or of experts. */
type DenseName = "gate" | "up"; // [rows, hiddenDim]
type ExpertName = "router"; // [rows, experts]

/**
 * Llama, Mistral, Mixtral and Qwen2: one forward pass, whose layers are to be read from top to bottom. Throws
 * `RangeError` when its buffers cannot fit.
 */
export function createLlama(
  backend: Allocator,
  config: ModelConfig,
  weights: LlamaWeights,
  limits: ModelLimits,
): Model {
  const { hiddenDim, experts } = config;
  if (experts === undefined) {
    return createDecoder<DenseName>(backend, config, limits, {
      ...weights,
      shapes: { gate: [hiddenDim], up: [hiddenDim] },
      layers: (wave, cache) =>
        weights.layers.map((layer, i) => {
          const feedForward = dense(wave, layer.feedForward);
          return llamaLayer(config, i, layer, wave, cache[i]!, feedForward);
        }),
    });
  }
  const tallies = weights.layers.map((_, i) => backend.alloc(`blk.${i}.tally`, [experts.count]));
  const model = createDecoder<ExpertName>(backend, config, limits, {
    ...weights,
    shapes: { router: [experts.count] },
    layers: (wave, cache) =>
      weights.layers.map((layer, i) => {
        const { router, gate, up, down } = layer.feedForward as ExpertWeights;
        const chosen = { gate, up, down, used: experts.used, tally: tallies[i]! };
        return llamaLayer(config, i, layer, wave, cache[i]!, mixture(wave, router, chosen));
      }),
  });
  return { ...model, tallies };
}

/** Records what becomes of h within a feed-forward layer. */
type FeedForward = (ops: Ops) => void;

function llamaLayer(
  config: ModelConfig,
  index: number,
  layer: LlamaLayer,
  wave: Wave,
  cache: KvLayer,
  feedForward: FeedForward,
): LayerStep {
  const { x, h, q, k, v, a } = wave;
  const { normEps, rope } = config;
  const turn = rotationsOf(config, index, wave);
  const qkv: readonly Product[] = [
    { weight: layer.q, out: q, ...biased(layer.qBias) },
    { weight: layer.k, out: k, ...biased(layer.kBias) },
    { weight: layer.v, out: v, ...biased(layer.vBias) },
  ];
  const o: readonly Product[] = [{ weight: layer.o, out: h, ...biased(layer.oBias) }];
  const options: AttentionOptions = {
    scale: config.attentionScale ?? 1 / Math.sqrt(config.headDim),
    ...windowOf(config, index),
  };
  return (ops, batch) => {
    ops.rmsNorm(h, x, layer.attnNorm, normEps);
    ops.matmul(h, qkv);
    ops.rope(q, turn.query, rope.style);
    ops.rope(k, turn.key, rope.style);
    ops.attention(a, q, k, v, cache, batch, options);
    ops.matmul(a, o);
    ops.addTo(x, h);

    ops.rmsNorm(h, x, layer.ffnNorm, normEps);
    feedForward(ops);
    ops.addTo(x, h);
  };
}

/** A gated layer that all rows take. */
function dense({ h, gate, up }: Wave<DenseName>, weights: DenseWeights): FeedForward {
  const gated: Product = { weight: weights.gate, out: gate };
  const beside: Product = { weight: weights.up, out: up };
  const down: readonly Product[] = [{ weight: weights.down, out: h }];
  return (ops) => {
    ops.gatedMatmul(h, gated, beside);
    ops.matmul(gate, down);
  };
}

/** Experts, of which each row takes some (Mixtral). */
function mixture({ h, router }: Wave<ExpertName>, weight: Tensor, experts: Experts): FeedForward {
  const choice: readonly Product[] = [{ weight, out: router }];
  return (ops) => {
    ops.matmul(h, choice);
    ops.experts(h, h, router, experts);
  };
}

/** A product's bias, where the file has one. */
function biased(bias: Tensor | undefined): { readonly bias?: Tensor } {
  return bias === undefined ? {} : { bias };
}
