import type { Allocator, KvLayer, Ops } from "../tensor/backend.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { createActivations, memoise } from "./activations.ts";
import type { Batch, Model, ModelConfig, ModelLimits } from "./model.ts";
import { createRotations, type Rotations } from "./rotations.ts";

/** Activations that every decoder has. */
export type WaveName =
  | "x" // [rows, dim], the residual stream
  | "h" // [rows, dim], inside a branch
  | "q" // [rows, heads, headDim]
  | "k" // [rows, kvHeads, headDim]
  | "v" // [rows, kvHeads, headDim]
  | "a"; // [rows, heads, headDim], attended values

/** The activations of a step, `K` beside the usual. */
export type Wave<K extends string = never> = Readonly<Record<WaveName | K, Tensor>> & Rotations;

/** Records one layer of a step. */
export type LayerStep = (ops: Ops, batch: Batch) => void;

/** What a family of decoders brings. */
export interface DecoderParts<K extends string> {
  readonly embedding: Tensor; // [vocab, dim]
  /** What embeddings are multiplied by. */
  readonly embeddingScale?: number;
  readonly norm: Tensor; // [dim]
  /** The embedding itself where the two are tied. */
  readonly head: Tensor; // [vocab, dim]
  /** Shapes of a row of the activations beside the usual. */
  readonly shapes: Readonly<Record<K, readonly number[]>>;
  /** How each layer is recorded; called once for each number of rows. */
  layers(wave: Wave<K>, cache: readonly KvLayer[]): readonly LayerStep[];
}

/**
 * What decoders have in common: embeddings in, a residual stream through all layers, then for the rows whose
 * logits are wanted a norm and the head. All buffers are made here, for the largest step that `limits`
 * allows. Throws `RangeError` when they cannot fit.
 */
export function createDecoder<K extends string>(
  backend: Allocator,
  config: ModelConfig,
  limits: ModelLimits,
  parts: DecoderParts<K>,
): Model {
  const { dim, heads, kvHeads, headDim, vocabSize, normEps } = config;
  const { maxRows, maxLogitRows } = limits;
  const activationsOf = createActivations<WaveName | K>(backend, maxRows, {
    x: [dim],
    h: [dim],
    q: [heads, headDim],
    k: [kvHeads, headDim],
    v: [kvHeads, headDim],
    a: [heads, headDim],
    ...parts.shapes,
  });
  const turns = createRotations(backend, config, maxRows);
  const waveOf = memoise((rows): Wave<K> => ({ ...activationsOf(rows), ...turns.of(rows) }));
  const tailOf = createActivations(backend, maxLogitRows, { y: [dim], logits: [vocabSize] });
  const slots = limits.blocks * limits.blockSize;
  const cache = Array.from({ length: config.layers }, (_, i) =>
    backend.allocKv(`blk.${i}`, slots, { kvHeads, headDim, type: limits.kvType ?? "f32" }),
  );
  const layersOf = memoise((rows) => parts.layers(waveOf(rows), cache));

  function forward(ops: Ops, batch: Batch): Tensor {
    const { x } = waveOf(batch.tokens.length);
    ops.embed(x, parts.embedding, batch.tokens);
    if (parts.embeddingScale !== undefined) ops.scale(x, parts.embeddingScale);
    for (const layer of layersOf(batch.tokens.length)) layer(ops, batch);

    const { y, logits } = tailOf(batch.logitRows.length);
    // A step in the middle of a prompt wants no logits, and the head is the largest product.
    if (batch.logitRows.length === 0) return logits;
    ops.gather(y, x, batch.logitRows);
    ops.rmsNorm(y, y, parts.norm, normEps);
    if (batch.headless !== true) ops.matmul(y, [{ weight: parts.head, out: logits }]);
    return logits;
  }

  return {
    config,
    limits,
    cache,
    prepare: ({ positions }) => turns.write(positions),
    forward,
    states: ({ logitRows }) => tailOf(logitRows.length).y,
  };
}
