import type { BatchLayout, KvLayer, Ops, RopeStyle } from "../tensor/backend.ts";
import type { KvType } from "../tensor/kv-type.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** The hyper-parameters of a network, read from GGUF metadata and checked. */
export interface ModelConfig {
  /** `general.architecture`: `llama`, `mistral`, `qwen2`, … */
  readonly architecture: string;
  /** `general.name`, or the architecture where the file has none. */
  readonly name: string;
  /** Width of the residual stream. */
  readonly dim: number;
  /** Width of the feed-forward layer. */
  readonly hiddenDim: number;
  /** Layers, each of attention and a feed-forward layer. */
  readonly layers: number;
  /** Query heads of a layer. */
  readonly heads: number;
  /** Key and value heads of a layer; a divisor of `heads`. */
  readonly kvHeads: number;
  /** Width of a head. */
  readonly headDim: number;
  /** Tokens are numbers below this. */
  readonly vocabSize: number;
  /** Positions that the model was made for. */
  readonly contextLength: number;
  /** Added to the mean square, or the variance, in normalisation. */
  readonly normEps: number;
  /** How positions rotate queries and keys. */
  readonly rope: RopeConfig;
  /** The same in layers that have the window, where it is another. */
  readonly localRope?: RopeConfig;
  /** A token sees itself and the `slidingWindow - 1` tokens before it; absent means all. */
  readonly slidingWindow?: number;
  /** Which layers have the window, the others see all; absent means every layer. */
  readonly windowedLayers?: readonly boolean[];
  /** Feed-forward layers of experts, of which each token takes `used`; absent means there are none. */
  readonly experts?: { readonly count: number; readonly used: number };
  /** How it was trained to embed texts; absent where the file does not say. */
  readonly pooling?: Pooling;
  /** An encoder: it has no head and sees texts both ways, so it embeds whole texts and generates nothing. */
  readonly embedsOnly?: true;
  /** What scores are multiplied by; absent means 1 / sqrt(headDim). */
  readonly attentionScale?: number;
  /** Queries at position p are multiplied by 1 + scale · ln(1 + ⌊p / length⌋); absent means by 1. */
  readonly attentionTemperature?: { readonly scale: number; readonly length: number };
}

/** How the states of a text's tokens become one vector: their mean, the last, or the first (`cls`). */
export type Pooling = "mean" | "cls" | "last";

/** Rotary position embedding. */
export interface RopeConfig {
  /** Which elements of a head rotate together. */
  readonly style: RopeStyle;
  /** Elements of a head that rotate; 0 where positions are learned vectors instead. */
  readonly dims: number;
  /** The base of the frequencies. */
  readonly theta: number;
  /** How positions beyond the original context are squeezed in. */
  readonly scaling: RopeScaling;
}

/** How positions beyond the original context are squeezed in. */
export type RopeScaling =
  | { readonly type: "none" }
  | { readonly type: "linear"; readonly factor: number }
  | {
      readonly type: "yarn";
      readonly factor: number;
      readonly originalContext: number;
      readonly extFactor: number;
      readonly attnFactor: number;
      readonly betaFast: number;
      readonly betaSlow: number;
      /** Takes back so much of what sharpens attention; absent means nothing. */
      readonly logMultiplier?: number;
    }
  /** Per-frequency divisors, as the `rope_freqs.weight` tensor of Llama 3 files has them. */
  | { readonly type: "llama3"; readonly divisors: Float32Array };

/** The input of one step: rows of tokens and where they belong. */
export interface Batch extends BatchLayout {
  /** [n] */
  readonly tokens: Uint32Array;
  /** [s] rows whose logits are wanted. */
  readonly logitRows: Uint32Array;
  /** Which adapters rows take, in ascending order of their numbers; absent means none. */
  readonly lora?: readonly LoraRows[];
  /** Only the final states of those rows are wanted: their logits may be left out. */
  readonly headless?: boolean;
}

/** The rows of a step that take an adapter. */
export interface LoraRows {
  /** Its number among those of {@linkcode Model.lora}. */
  readonly index: number;
  /** [n] how much of it each row takes; 0 for rows that do not. */
  readonly scales: Float32Array;
}

/** A network that records one step. It keeps no per-request state. */
export interface Model {
  readonly config: ModelConfig;
  readonly limits: ModelLimits;
  /** The layers' caches. */
  readonly cache: readonly KvLayer[];
  /** [experts] of each layer: how many rows took each since the model was made; absent where there are none. */
  readonly tallies?: readonly Tensor[];
  /** Names of the adapters that rows may take, by their numbers; absent where there are none. */
  readonly lora?: readonly string[];
  /** Upload what depends on the batch alone; call it before `run`. */
  prepare(batch: Batch): void;
  /**
   * Record the forward pass; the result holds logits[logitRows, vocab] once the step has run, of a model that
   * only embeds the states themselves.
   */
  forward(ops: Ops, batch: Batch): Tensor;
  /**
   * The final hidden states[logitRows, dim] after the last norm, which a head makes logits of, once the
   * step has run; until the next one.
   */
  states(batch: Batch): Tensor;
}

/** Sizes that are fixed when a model is loaded, so that the token loop allocates nothing. */
export interface ModelLimits {
  /** Rows of one step. */
  readonly maxRows: number;
  /** Rows of one step whose logits can be asked for. */
  readonly maxLogitRows: number;
  /** Cache blocks shared by all sequences. */
  readonly blocks: number;
  /** Positions per cache block. */
  readonly blockSize: number;
  /** How keys and values are cached; absent means `f32`. */
  readonly kvType?: KvType;
}
