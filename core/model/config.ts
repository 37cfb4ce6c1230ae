import { RuntimeError } from "../errors.ts";
import type { GgufModel } from "../gguf/gguf.ts";
import { architectureOf } from "./architectures.ts";
import type { Fields } from "./fields.ts";
import { createFields } from "./fields.ts";
import type { ModelConfig, RopeConfig, RopeScaling, Pooling } from "./model.ts";

/** Widths of layers: the largest known models stay below 2^17. */
const MAX_DIM = 2 ** 20;
/** The deepest known decoders have fewer than 150 layers. */
const MAX_LAYERS = 1024;
const MAX_HEADS = 4096;
/** Attention keeps one head's sums in scratch memory. */
const MAX_HEAD_DIM = 1024;
/** The largest known vocabularies have some 260 thousand tokens. */
const MAX_VOCAB = 2 ** 22;
/** Angles of rotation stay where the reduction of core/numeric is exact, even for divisors of one half. */
const MAX_CONTEXT = 2 ** 22;
/** The most experts that a known network has in a layer are 512. */
const MAX_EXPERTS = 4096;
/** Longer names are cut: they go into logs and metrics. */
const MAX_NAME = 256;

/**
 * Hyper-parameters that other members of the family have and this forward pass does not: the value that
 * means "not used", for each. A file with another value would load and answer nonsense.
 */
const UNUSED_FIELDS: readonly (readonly [name: string, neutral: number | boolean])[] = [
  ["attn_logit_softcapping", 0],
  ["final_logit_softcapping", 0],
  ["attention.clamp_kqv", 0],
  ["attention.max_alibi_bias", 0],
  ["logit_scale", 1],
  ["residual_scale", 1],
  ["embedding_scale", 1],
];

/**
 * The hyper-parameters of a GGUF model, every one checked.
 *
 * Divisors in a tensor `rope_freqs.weight` are not in it yet: loading adds them, so that this needs no
 * read. Throws `MODEL_UNSUPPORTED` where the model needs what we lack, `MODEL_MALFORMED` where a value
 * cannot be true.
 */
export function readConfig(gguf: GgufModel): ModelConfig {
  checkIsModel(gguf);
  const architecture = gguf.metadata.get("general.architecture");
  if (typeof architecture !== "string") {
    throw new RuntimeError("MODEL_MALFORMED", "Cannot use model: general.architecture is missing");
  }
  const family = architectureOf(architecture);
  const fields = createFields(gguf, architecture);
  refuseUnused(fields, architecture);
  const { embedsOnly = false } = family;
  if ((fields.raw("attention.causal") ?? !embedsOnly) !== !embedsOnly) {
    throw new RuntimeError(
      "MODEL_UNSUPPORTED",
      `Cannot use model: ${architecture}.attention.causal is not supported, only ${!embedsOnly} or none`,
    );
  }

  const dim = fields.integer("embedding_length", { least: 1, most: MAX_DIM });
  const heads = fields.integer("attention.head_count", { least: 1, most: MAX_HEADS });
  const kvHeads = fields.integer("attention.head_count_kv", {
    least: 1,
    most: heads,
    fallback: heads,
  });
  if (heads % kvHeads !== 0) {
    throw new RuntimeError(
      "MODEL_MALFORMED",
      `Cannot use model: ${heads} attention heads do not divide by ${kvHeads} key-value heads`,
    );
  }
  const headDim = readHeadDim(fields, dim, heads);
  const epsilon = embedsOnly ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon";
  const layers = fields.integer("block_count", { least: 1, most: MAX_LAYERS });
  const contextLength = fields.integer("context_length", { least: 1, most: MAX_CONTEXT });
  const slidingWindow = fields.integer("attention.sliding_window", {
    least: 0,
    most: 2 ** 32 - 1,
    fallback: 0,
  });

  const rope: RopeConfig =
    family.rope === "none"
      ? UNROTATED
      : { style: family.rope, ...readRope(fields, headDim, contextLength) };

  return {
    architecture,
    name: nameOf(gguf, architecture),
    dim,
    hiddenDim: fields.integer("feed_forward_length", { least: 1, most: MAX_DIM }),
    layers,
    heads,
    kvHeads,
    headDim,
    vocabSize: readVocabSize(gguf, dim),
    contextLength,
    normEps: fields.number(epsilon, { least: 1e-30, most: 1 }),
    rope,
    // 0 is how converters write that there is none.
    ...(slidingWindow === 0
      ? {}
      : {
          slidingWindow,
          ...readWindowedLayers(fields, layers, family.windowPattern),
          ...readLocalRope(fields, rope, family.localTheta),
        }),
    ...readExperts(fields),
    ...readTemperature(fields, rope, headDim),
    ...parsePooling(fields),
    ...(embedsOnly ? { embedsOnly } : {}),
    ...(fields.has("attention.scale")
      ? { attentionScale: fields.number("attention.scale", { least: 1e-6, most: 1e6 }) }
      : {}),
  };
}

/** Throws `MODEL_UNSUPPORTED` for a file that says that it is an adapter. */
export function checkIsModel({ metadata }: GgufModel): void {
  if (metadata.get("general.type") !== "adapter") return;
  throw new RuntimeError(
    "MODEL_UNSUPPORTED",
    "Cannot use model: it is an adapter; give it as --lora beside the model that it was trained for",
  );
}

function refuseUnused(fields: Fields, architecture: string): void {
  for (const [name, neutral] of UNUSED_FIELDS) {
    const value = fields.raw(name);
    if (value === undefined || value === neutral) continue;
    throw new RuntimeError(
      "MODEL_UNSUPPORTED",
      `Cannot use model: ${architecture}.${name} is not supported, only ${neutral} or none`,
    );
  }
}

/**
 * Which layers have the window: a truth for each, or a number n, by which every n-th layer sees all (as
 * llama.cpp reads it).
 */
function readWindowedLayers(
  fields: Fields,
  layers: number,
  usual: number | undefined,
): { readonly windowedLayers?: readonly boolean[] } {
  const pattern = fields.raw(WINDOW_PATTERN) ?? usual;
  if (pattern === undefined) return {};
  if (typeof pattern !== "object") {
    const every = fields.integer(WINDOW_PATTERN, {
      least: 0,
      most: MAX_LAYERS,
      ...(usual === undefined ? {} : { fallback: usual }),
    });
    const windowedLayers = Array.from(
      { length: layers },
      (_, i) => every === 0 || i % every < every - 1,
    );
    return { windowedLayers };
  }
  if (pattern.length !== layers) {
    throw new RuntimeError(
      "MODEL_MALFORMED",
      `Cannot use model: a window pattern of ${pattern.length} layers, there are ${layers}`,
    );
  }
  const windowed = (layer: number): boolean => {
    const each: unknown = pattern[layer];
    return each === true || each === 1;
  };
  return { windowedLayers: Array.from({ length: layers }, (_, i) => windowed(i)) };
}

const WINDOW_PATTERN = "attention.sliding_window_pattern";

/** How layers with the window rotate: by a base of their own, and never scaled. */
function readLocalRope(
  fields: Fields,
  rope: RopeConfig,
  usual: number | undefined,
): Pick<ModelConfig, "localRope"> {
  if (usual === undefined && !fields.has("rope.freq_base_swa")) return {};
  const theta = fields.number("rope.freq_base_swa", {
    ...THETA,
    ...(usual === undefined ? {} : { fallback: usual }),
  });
  return { localRope: { ...rope, theta, scaling: { type: "none" } } };
}

/** Attention that grows sharper with the position, as in Ministral 3. */
function readTemperature(
  fields: Fields,
  { dims, scaling }: RopeConfig,
  headDim: number,
): Pick<ModelConfig, "attentionTemperature"> {
  const scale = fields.number("attention.temperature_scale", { least: 0, most: 1e3, fallback: 0 });
  if (scale === 0) return {};
  if (dims !== headDim) {
    throw new RuntimeError(
      "MODEL_UNSUPPORTED",
      `Cannot use model: attention.temperature_scale where ${dims} of ${headDim} dimensions rotate is not supported`,
    );
  }
  const length = fields.integer("attention.temperature_length", {
    least: 1,
    most: MAX_CONTEXT,
    ...(scaling.type === "yarn" ? { fallback: scaling.originalContext } : {}),
  });
  return { attentionTemperature: { scale, length } };
}

function readExperts(fields: Fields): Pick<ModelConfig, "experts"> {
  const count = fields.integer("expert_count", { least: 0, most: MAX_EXPERTS, fallback: 0 });
  if (count === 0) return {};
  const used = fields.integer("expert_used_count", { least: 1, most: count });
  return { experts: { count, used } };
}

function readHeadDim(fields: Fields, dim: number, heads: number): number {
  if (!fields.has("attention.key_length") && dim % heads !== 0) {
    throw new RuntimeError(
      "MODEL_MALFORMED",
      `Cannot use model: width ${dim} does not divide by ${heads} heads and no key_length is given`,
    );
  }
  const range = { least: 1, most: MAX_HEAD_DIM };
  const headDim = fields.integer("attention.key_length", { ...range, fallback: dim / heads });
  const valueDim = fields.integer("attention.value_length", { ...range, fallback: headDim });
  if (valueDim !== headDim) {
    throw new RuntimeError(
      "MODEL_UNSUPPORTED",
      `Cannot use model: keys of ${headDim} and values of ${valueDim} elements, only equal lengths are supported`,
    );
  }
  return headDim;
}

/** Rows of the embedding; the vocabulary, where the file has one, must have as many tokens. */
function readVocabSize(gguf: GgufModel, dim: number): number {
  const shape = gguf.tensors.get("token_embd.weight")?.shape;
  const [rows, columns] = shape ?? [];
  if (shape?.length !== 2 || rows === undefined || columns !== dim || rows > MAX_VOCAB) {
    throw new RuntimeError(
      "MODEL_MALFORMED",
      `Cannot use model: token_embd.weight is ${shape === undefined ? "missing" : `[${shape.join(", ")}]`}, ` +
        `expected [up to ${MAX_VOCAB}, ${dim}]`,
    );
  }
  const tokens = gguf.metadata.get("tokenizer.ggml.tokens");
  if (typeof tokens === "object" && tokens.length !== rows) {
    throw new RuntimeError(
      "MODEL_MALFORMED",
      `Cannot use model: ${tokens.length} tokens and ${rows} embeddings, expected as many`,
    );
  }
  return rows;
}

function nameOf(gguf: GgufModel, architecture: string): string {
  const name = gguf.metadata.get("general.name");
  if (typeof name !== "string" || name === "") return architecture;
  return Array.from(name).slice(0, MAX_NAME).join("");
}

/** Of networks whose positions are learned vectors. */
const UNROTATED: RopeConfig = { style: "norm", dims: 0, theta: 1, scaling: { type: "none" } };

/** At a base of one all frequencies are equal, below it they would grow. */
const THETA = { least: 1.001, most: 1e15 } as const;

function readRope(
  fields: Fields,
  headDim: number,
  contextLength: number,
): Omit<RopeConfig, "style"> {
  const dims = fields.integer("rope.dimension_count", {
    least: 2,
    most: headDim,
    fallback: headDim,
  });
  if (dims % 2 !== 0) {
    throw new RuntimeError(
      "MODEL_MALFORMED",
      `Cannot use model: rope.dimension_count is ${dims}, expected an even number`,
    );
  }
  return {
    dims,
    theta: fields.number("rope.freq_base", { ...THETA, fallback: 10_000 }),
    scaling: readScaling(fields, contextLength),
  };
}

function readScaling(fields: Fields, contextLength: number): RopeScaling {
  // Files from before `rope.scaling.*` have `rope.scale_linear`.
  const older = fields.has("rope.scale_linear");
  const named = fields.raw("rope.scaling.type") ?? (older ? "linear" : "none");
  const type = typeof named === "string" ? named : JSON.stringify(named);
  const factor = (): number =>
    fields.number(older ? "rope.scale_linear" : "rope.scaling.factor", { least: 1, most: 1e6 });
  switch (type) {
    case "none":
      return { type };
    case "linear":
      return { type, factor: factor() };
    case "yarn":
      return {
        type,
        factor: factor(),
        originalContext: fields.integer("rope.scaling.original_context_length", {
          least: 1,
          most: MAX_CONTEXT,
          fallback: contextLength,
        }),
        extFactor: fields.number("rope.scaling.yarn_ext_factor", {
          least: 0,
          most: 1,
          fallback: 1,
        }),
        attnFactor: readAttnFactor(fields),
        betaFast: fields.number("rope.scaling.yarn_beta_fast", {
          least: 1e-3,
          most: 1e6,
          fallback: 32,
        }),
        betaSlow: fields.number("rope.scaling.yarn_beta_slow", {
          least: 1e-3,
          most: 1e6,
          fallback: 1,
        }),
        ...readLogMultiplier(fields),
      };
    default:
      throw new RuntimeError(
        "MODEL_UNSUPPORTED",
        `Cannot use model: rope.scaling.type ${JSON.stringify(type).slice(0, 40)} is not supported, only none, linear and yarn`,
      );
  }
}

function readLogMultiplier(fields: Fields): { readonly logMultiplier?: number } {
  const logMultiplier = fields.number("rope.scaling.yarn_log_multiplier", {
    least: 0,
    most: 1e3,
    fallback: 0,
  });
  return logMultiplier === 0 ? {} : { logMultiplier };
}

/** Converters have written this factor under two names. */
function readAttnFactor(fields: Fields): number {
  const name = fields.has("rope.scaling.yarn_attn_factor")
    ? "rope.scaling.yarn_attn_factor"
    : "rope.scaling.attn_factor";
  return fields.number(name, { least: 1e-6, most: 1e6, fallback: 1 });
}

/** The file format's numbers; the others are for models of another kind, or say nothing. */
const POOLINGS: ReadonlyMap<number, Pooling> = new Map([
  [1, "mean"],
  [2, "cls"],
  [3, "last"],
]);

function parsePooling(fields: Fields): { readonly pooling?: Pooling } {
  const pooling = POOLINGS.get(fields.integer("pooling_type", { least: 0, most: 4, fallback: 0 }));
  return pooling === undefined ? {} : { pooling };
}
