import { RuntimeError } from "../errors.ts";
import type { Allocator, RopeStyle } from "../tensor/backend.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { createBert } from "./bert.ts";
import { bertShapes, bertWeights } from "./bert-weights.ts";
import { createGemma3 } from "./gemma3.ts";
import { gemma3Shapes, gemma3Weights } from "./gemma3-weights.ts";
import { createLlama } from "./llama.ts";
import { llamaShapes, llamaWeights } from "./llama-weights.ts";
import type { Model, ModelConfig, ModelLimits } from "./model.ts";
import type { Present } from "./weight-names.ts";

/** A family of networks: which tensors it has, and how it computes with them. */
export interface Architecture {
  /** Which elements of a head rotate together in its files; `none` where positions are learned vectors. */
  readonly rope: RopeStyle | "none";
  /** An encoder, see {@linkcode ModelConfig.embedsOnly}. */
  readonly embedsOnly?: true;
  /** Every so many-th layer sees all, where a file with a window does not say which. */
  readonly windowPattern?: number;
  /** The base of the rotation in layers with the window, where a file does not say. */
  readonly localTheta?: number;
  /** Every tensor by its name in the file, with its shape `[rows, columns]`; some depend on what is present. */
  shapes(config: ModelConfig, present: Present): ReadonlyMap<string, readonly number[]>;
  /** The network, given every tensor that `shapes` names. */
  create(
    backend: Allocator,
    config: ModelConfig,
    weights: ReadonlyMap<string, Tensor>,
    limits: ModelLimits,
  ): Model;
}

const llama: Architecture = {
  rope: "norm",
  shapes: llamaShapes,
  create: (backend, config, weights, limits) =>
    createLlama(backend, config, llamaWeights(config, weights), limits),
};

const gemma3: Architecture = {
  rope: "neox",
  windowPattern: 6,
  localTheta: 10_000,
  shapes: gemma3Shapes,
  create: (backend, config, weights, limits) =>
    createGemma3(backend, config, gemma3Weights(config, weights), limits),
};

const bert: Architecture = {
  rope: "none",
  embedsOnly: true,
  shapes: bertShapes,
  create: (backend, config, weights, limits) =>
    createBert(backend, config, bertWeights(config, weights), limits),
};

/** What `general.architecture` may be. Mixtral's files say `llama` too, and how many experts they have. */
const ARCHITECTURES: ReadonlyMap<string, Architecture> = new Map([
  ["llama", llama],
  ["mistral", llama],
  ["mistral3", llama],
  ["qwen2", { ...llama, rope: "neox" }],
  ["gemma3", gemma3],
  ["bert", bert],
]);

/** The family of a name. Throws `MODEL_UNSUPPORTED`, listing the known ones. */
export function architectureOf(name: string): Architecture {
  const architecture = ARCHITECTURES.get(name);
  if (architecture !== undefined) return architecture;
  throw new RuntimeError(
    "MODEL_UNSUPPORTED",
    `Cannot use model: architecture ${JSON.stringify(name).slice(0, 60)} is not supported, ` +
      `only ${[...ARCHITECTURES.keys()].join(", ")}`,
  );
}
