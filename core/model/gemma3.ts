import type { Allocator, AttentionOptions, KvLayer, Product } from "../tensor/backend.ts";
import { createDecoder, type LayerStep, type Wave } from "./decoder.ts";
import type { Gemma3Layer, Gemma3Weights } from "./gemma3-weights.ts";
import type { Model, ModelConfig, ModelLimits } from "./model.ts";
import { rotationsOf } from "./rotations.ts";
import { windowOf } from "./window.ts";

/** Layers of the 27 B model, which alone scales scores by the width of a head that it would have had. */
const LAYERS_OF_27B = 62;

/** Activations of the feed-forward layer. */
type Gemma3Name = "gate" | "up"; // [rows, hiddenDim]

/**
 * Gemma 3: norms before and after each branch and within each head, GELU for a gate, embeddings multiplied by
 * the root of their width, and a window in five layers of six. Throws `RangeError` when its buffers cannot fit.
 */
export function createGemma3(
  backend: Allocator,
  config: ModelConfig,
  weights: Gemma3Weights,
  limits: ModelLimits,
): Model {
  const { hiddenDim } = config;
  return createDecoder<Gemma3Name>(backend, config, limits, {
    embedding: weights.embedding,
    // As a float: that is what it was trained with.
    embeddingScale: Math.fround(Math.sqrt(config.dim)),
    norm: weights.norm,
    head: weights.head,
    shapes: { gate: [hiddenDim], up: [hiddenDim] },
    layers: (wave, cache) =>
      weights.layers.map((layer, i) => gemma3Layer(config, i, layer, wave, cache[i]!)),
  });
}

function gemma3Layer(
  config: ModelConfig,
  index: number,
  layer: Gemma3Layer,
  wave: Wave<Gemma3Name>,
  cache: KvLayer,
): LayerStep {
  const { x, h, q, k, v, a } = wave;
  const { normEps, rope } = config;
  const turn = rotationsOf(config, index, wave);
  const options: AttentionOptions = { scale: scaleOf(config), ...windowOf(config, index) };
  const qkv: readonly Product[] = [
    { weight: layer.q, out: q },
    { weight: layer.k, out: k },
    { weight: layer.v, out: v },
  ];
  const o: readonly Product[] = [{ weight: layer.o, out: h }];
  const gate: Product = { weight: layer.gate, out: wave.gate };
  const up: Product = { weight: layer.up, out: wave.up };
  const down: readonly Product[] = [{ weight: layer.down, out: h }];
  return (ops, batch) => {
    ops.rmsNorm(h, x, layer.attnNorm, normEps);
    ops.matmul(h, qkv);
    ops.rmsNorm(q, q, layer.qNorm, normEps);
    ops.rmsNorm(k, k, layer.kNorm, normEps);
    ops.rope(q, turn.query, rope.style);
    ops.rope(k, turn.key, rope.style);
    ops.attention(a, q, k, v, cache, batch, options);
    ops.matmul(a, o);
    ops.rmsNorm(h, h, layer.attnPostNorm, normEps);
    ops.addTo(x, h);

    ops.rmsNorm(h, x, layer.ffnNorm, normEps);
    ops.gatedMatmul(h, gate, up, "gelu_tanh");
    ops.matmul(gate.out, down);
    ops.rmsNorm(h, h, layer.ffnPostNorm, normEps);
    ops.addTo(x, h);
  };
}

/** What scores are multiplied by: files do not say it. */
function scaleOf({ attentionScale, layers, dim, heads, headDim }: ModelConfig): number {
  return attentionScale ?? 1 / Math.sqrt(layers === LAYERS_OF_27B ? dim / heads : headDim);
}
