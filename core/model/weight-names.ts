import type { Tensor } from "../tensor/tensor.ts";
import type { ModelConfig } from "./model.ts";

/** Whether the file has a tensor of this name. */
export type Present = (name: string) => boolean;

/** Tensors of a network by GGUF's names, with shapes `[rows, columns]`. */
export interface NamedShapes {
  /** Of the whole. */
  readonly whole: Readonly<Record<string, readonly number[]>>;
  /** Of each layer, where the name follows `blk.N.`. */
  readonly layer: Readonly<Record<string, readonly number[]>>;
  /** Of each layer that has them. */
  readonly optional?: Readonly<Record<string, readonly number[]>>;
}

/** Every tensor of a network that a file has to have, and those that it may have and has. */
export function shapesOf(
  { layers }: ModelConfig,
  { whole, layer, optional = {} }: NamedShapes,
  present: Present,
): ReadonlyMap<string, readonly number[]> {
  const shapes = new Map(Object.entries(whole));
  for (let i = 0; i < layers; i++) {
    for (const [name, shape] of Object.entries(layer)) shapes.set(`blk.${i}.${name}`, shape);
    for (const [name, shape] of Object.entries(optional)) {
      if (present(`blk.${i}.${name}`)) shapes.set(`blk.${i}.${name}`, shape);
    }
  }
  return shapes;
}

/** The loaded tensor of a name. Throws `TypeError` where it is missing. */
export function take(tensors: ReadonlyMap<string, Tensor>, name: string): Tensor {
  const tensor = tensors.get(name);
  if (tensor === undefined) throw new TypeError(`Cannot make the model: ${name} is not loaded`);
  return tensor;
}

/** The tensors outside of a decoder's layers; without `output.weight` the embedding serves twice. */
export function decoderShapes(
  { dim, vocabSize }: ModelConfig,
  present: Present,
): NamedShapes["whole"] {
  return {
    "token_embd.weight": [vocabSize, dim],
    "output_norm.weight": [dim],
    ...(present("output.weight") ? { "output.weight": [vocabSize, dim] } : {}),
  };
}

/** The matrices of a decoder's attention. */
export function attentionShapes({
  dim,
  heads,
  kvHeads,
  headDim,
}: ModelConfig): NamedShapes["layer"] {
  return {
    "attn_q.weight": [heads * headDim, dim],
    "attn_k.weight": [kvHeads * headDim, dim],
    "attn_v.weight": [kvHeads * headDim, dim],
    "attn_output.weight": [dim, heads * headDim],
  };
}

/** A feed-forward layer that all rows take. */
export function denseShapes({ dim, hiddenDim }: ModelConfig): NamedShapes["layer"] {
  return {
    "ffn_gate.weight": [hiddenDim, dim],
    "ffn_up.weight": [hiddenDim, dim],
    "ffn_down.weight": [dim, hiddenDim],
  };
}

/** Weights outside of a decoder's layers. */
export interface DecoderEnds {
  readonly embedding: Tensor; // [vocab, dim]
  readonly norm: Tensor; // [dim]
  /** The embedding itself where the two are tied. */
  readonly head: Tensor; // [vocab, dim]
}

/** Those that were loaded. Throws `TypeError` where one is missing. */
export function decoderEnds(tensors: ReadonlyMap<string, Tensor>): DecoderEnds {
  const embedding = take(tensors, "token_embd.weight");
  const norm = take(tensors, "output_norm.weight");
  return { embedding, norm, head: tensors.get("output.weight") ?? embedding };
}
