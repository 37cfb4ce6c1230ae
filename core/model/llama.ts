import type { AttentionOptions, Allocator, KvLayer, Ops, Product } from "../tensor/backend.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Batch, Model, ModelConfig, ModelLimits } from "./model.ts";
import { createRope } from "./rope.ts";

/** Weights of one block. */
export interface LlamaLayer {
  readonly attnNorm: Tensor; // [dim]
  readonly q: Tensor; // [heads * headDim, dim]
  readonly k: Tensor; // [kvHeads * headDim, dim]
  readonly v: Tensor; // [kvHeads * headDim, dim]
  readonly o: Tensor; // [dim, heads * headDim]
  readonly ffnNorm: Tensor; // [dim]
  readonly gate: Tensor; // [hiddenDim, dim]
  readonly up: Tensor; // [hiddenDim, dim]
  readonly down: Tensor; // [dim, hiddenDim]
}

/** Weights of the whole network. */
export interface LlamaWeights {
  readonly embedding: Tensor; // [vocab, dim]
  readonly layers: readonly LlamaLayer[];
  readonly norm: Tensor; // [dim]
  /** The embedding itself where the two are tied. */
  readonly head: Tensor; // [vocab, dim]
}

/** The activations of a step with a certain number of rows. */
interface Wave {
  readonly x: Tensor; // [rows, dim], the residual stream
  readonly h: Tensor; // [rows, dim], inside a branch
  readonly q: Tensor; // [rows, heads, headDim]
  readonly k: Tensor; // [rows, kvHeads, headDim]
  readonly v: Tensor; // [rows, kvHeads, headDim]
  readonly a: Tensor; // [rows, heads, headDim], attended values
  readonly gate: Tensor; // [rows, hiddenDim]
  readonly up: Tensor; // [rows, hiddenDim]
  readonly rotation: Tensor; // [rows, rope.dims / 2, 2]
}

/** The products of one block, whose lists are made once for each number of rows. */
interface LayerProducts {
  readonly qkv: readonly Product[];
  readonly o: readonly Product[];
  readonly gate: Product;
  readonly up: Product;
  readonly down: readonly Product[];
}

/** The activations of the rows whose logits are wanted. */
interface Tail {
  readonly y: Tensor; // [rows, dim]
  readonly logits: Tensor; // [rows, vocab]
}

/**
 * Llama and Mistral: one forward pass, to be read from top to bottom. All buffers are made here, for
 * the largest step that `limits` allows. Throws `RangeError` when they cannot fit.
 */
export function createLlama(
  backend: Allocator,
  config: ModelConfig,
  weights: LlamaWeights,
  limits: ModelLimits,
): Model {
  const { dim, hiddenDim, heads, kvHeads, headDim, vocabSize, normEps } = config;
  const { maxRows, maxLogitRows } = limits;
  const { style, dims } = config.rope;
  const rope = createRope(config.rope);
  const angles = new Float32Array(maxRows * dims);
  const options: AttentionOptions = {
    scale: config.attentionScale ?? 1 / Math.sqrt(headDim),
    ...(config.slidingWindow === undefined ? {} : { window: config.slidingWindow }),
  };

  const wave: Wave = {
    x: backend.alloc("x", [maxRows, dim]),
    h: backend.alloc("h", [maxRows, dim]),
    q: backend.alloc("q", [maxRows, heads, headDim]),
    k: backend.alloc("k", [maxRows, kvHeads, headDim]),
    v: backend.alloc("v", [maxRows, kvHeads, headDim]),
    a: backend.alloc("a", [maxRows, heads, headDim]),
    gate: backend.alloc("gate", [maxRows, hiddenDim]),
    up: backend.alloc("up", [maxRows, hiddenDim]),
    rotation: backend.alloc("rotation", [maxRows, dims / 2, 2]),
  };
  const tail: Tail = {
    y: backend.alloc("y", [maxLogitRows, dim]),
    logits: backend.alloc("logits", [maxLogitRows, vocabSize]),
  };
  const slots = limits.blocks * limits.blockSize;
  const cache: readonly KvLayer[] = weights.layers.map((_, i) =>
    backend.allocKv(`blk.${i}`, slots, { kvHeads, headDim, type: limits.kvType ?? "f32" }),
  );
  const waveOf = memoise((rows): Wave & { readonly products: readonly LayerProducts[] } => {
    const views = {
      x: backend.view(wave.x, rows),
      h: backend.view(wave.h, rows),
      q: backend.view(wave.q, rows),
      k: backend.view(wave.k, rows),
      v: backend.view(wave.v, rows),
      a: backend.view(wave.a, rows),
      gate: backend.view(wave.gate, rows),
      up: backend.view(wave.up, rows),
      rotation: backend.view(wave.rotation, rows),
    };
    return { ...views, products: weights.layers.map((layer) => productsOf(layer, views)) };
  });
  const tailOf = memoise((rows): Tail => ({
    y: backend.view(tail.y, rows),
    logits: backend.view(tail.logits, rows),
  }));

  function prepare({ positions }: Batch): void {
    const used = angles.subarray(0, positions.length * dims);
    rope.rotations(positions, used);
    backend.write(wave.rotation, used);
  }

  function forward(ops: Ops, batch: Batch): Tensor {
    const { x, h, q, k, v, a, gate, rotation, products } = waveOf(batch.tokens.length);

    ops.embed(x, weights.embedding, batch.tokens);
    for (const [i, layer] of weights.layers.entries()) {
      const product = products[i]!;
      ops.rmsNorm(h, x, layer.attnNorm, normEps);
      ops.matmul(h, product.qkv);
      ops.rope(q, rotation, style);
      ops.rope(k, rotation, style);
      ops.attention(a, q, k, v, cache[i]!, batch, options);
      ops.matmul(a, product.o);
      ops.addTo(x, h);

      ops.rmsNorm(h, x, layer.ffnNorm, normEps);
      ops.gatedMatmul(h, product.gate, product.up);
      ops.matmul(gate, product.down);
      ops.addTo(x, h);
    }

    const { y, logits } = tailOf(batch.logitRows.length);
    // A step in the middle of a prompt wants no logits, and the head is the largest product.
    if (batch.logitRows.length === 0) return logits;
    ops.gather(y, x, batch.logitRows);
    ops.rmsNorm(y, y, weights.norm, normEps);
    if (batch.headless !== true) ops.matmul(y, [{ weight: weights.head, out: logits }]);
    return logits;
  }

  function states({ logitRows }: Batch): Tensor {
    return tailOf(logitRows.length).y;
  }

  return { config, limits, cache, prepare, forward, states };
}

function productsOf(layer: LlamaLayer, { h, q, k, v, gate, up }: Wave): LayerProducts {
  return {
    qkv: [
      { weight: layer.q, out: q },
      { weight: layer.k, out: k },
      { weight: layer.v, out: v },
    ],
    o: [{ weight: layer.o, out: h }],
    gate: { weight: layer.gate, out: gate },
    up: { weight: layer.up, out: up },
    down: [{ weight: layer.down, out: h }],
  };
}

/** Remember what `make` made for each number of rows, so that a step of a known size allocates nothing. */
function memoise<T>(make: (rows: number) => T): (rows: number) => T {
  const made = new Map<number, T>();
  return (rows) => {
    let value = made.get(rows);
    if (value === undefined) {
      value = make(rows);
      made.set(rows, value);
    }
    return value;
  };
}
