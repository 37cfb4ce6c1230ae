import type { Allocator, AttentionOptions, Ops, Product } from "../tensor/backend.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { createActivations, memoise } from "./activations.ts";
import type { BertLayer, BertWeights } from "./bert-weights.ts";
import type { LayerStep } from "./decoder.ts";
import type { Batch, Model, ModelConfig, ModelLimits } from "./model.ts";

type BertName =
  | "x" // [rows, dim], the stream, normalised after each branch
  | "h" // [rows, dim], inside a branch
  | "q" // [rows, heads, headDim]
  | "k" // [rows, kvHeads, headDim]
  | "v" // [rows, kvHeads, headDim]
  | "a" // [rows, heads, headDim], attended values
  | "up"; // [rows, hiddenDim]

/**
 * BERT (Devlin et al. 2018): every token sees its whole text, which has to come in one step; words, positions and
 * the kind of text are vectors that are added. There is no head: what it gives are the tokens' final states.
 * Throws `RangeError` when its buffers cannot fit.
 */
export function createBert(
  backend: Allocator,
  config: ModelConfig,
  weights: BertWeights,
  limits: ModelLimits,
): Model {
  const { dim, hiddenDim, heads, kvHeads, headDim, normEps } = config;
  const waveOf = createActivations<BertName>(backend, limits.maxRows, {
    x: [dim],
    h: [dim],
    q: [heads, headDim],
    k: [kvHeads, headDim],
    v: [kvHeads, headDim],
    a: [heads, headDim],
    up: [hiddenDim],
  });
  const tailOf = createActivations(backend, limits.maxLogitRows, { y: [dim] });
  const slots = limits.blocks * limits.blockSize;
  const cache = weights.layers.map((_, i) =>
    backend.allocKv(`blk.${i}`, slots, { kvHeads, headDim, type: limits.kvType ?? "f32" }),
  );
  const layersOf = memoise((rows) =>
    weights.layers.map((layer, i) => bertLayer(config, layer, waveOf(rows), cache[i]!)),
  );
  /** All tokens are of the first kind of text. */
  const firstKind = memoise((rows) => new Uint32Array(rows));

  function forward(ops: Ops, batch: Batch): Tensor {
    const rows = batch.tokens.length;
    const { x, h } = waveOf(rows);
    ops.embed(x, weights.words, batch.tokens);
    ops.embed(h, weights.positions, batch.positions);
    ops.addTo(x, h);
    if (weights.types !== undefined) {
      ops.embed(h, weights.types, firstKind(rows));
      ops.addTo(x, h);
    }
    ops.layerNorm(x, x, weights.norm.weight, weights.norm.bias, normEps);
    for (const layer of layersOf(rows)) layer(ops, batch);

    const { y } = tailOf(batch.logitRows.length);
    if (batch.logitRows.length > 0) ops.gather(y, x, batch.logitRows);
    return y;
  }

  return {
    config,
    limits,
    cache,
    prepare: () => {},
    forward,
    states: ({ logitRows }) => tailOf(logitRows.length).y,
  };
}

function bertLayer(
  { headDim, normEps }: ModelConfig,
  layer: BertLayer,
  { x, h, q, k, v, a, up }: Readonly<Record<BertName, Tensor>>,
  cache: Model["cache"][number],
): LayerStep {
  const options: AttentionOptions = { scale: 1 / Math.sqrt(headDim), bidirectional: true };
  const qkv: readonly Product[] = [
    { ...layer.q, out: q },
    { ...layer.k, out: k },
    { ...layer.v, out: v },
  ];
  const o: readonly Product[] = [{ ...layer.o, out: h }];
  const upward: readonly Product[] = [{ ...layer.up, out: up }];
  const down: readonly Product[] = [{ ...layer.down, out: h }];
  return (ops, batch) => {
    ops.matmul(x, qkv);
    ops.attention(a, q, k, v, cache, batch, options);
    ops.matmul(a, o);
    ops.addTo(x, h);
    ops.layerNorm(x, x, layer.attnNorm.weight, layer.attnNorm.bias, normEps);

    ops.matmul(x, upward);
    ops.gelu(up);
    ops.matmul(up, down);
    ops.addTo(x, h);
    ops.layerNorm(x, x, layer.ffnNorm.weight, layer.ffnNorm.bias, normEps);
  };
}
