import type { GgufModel } from "../gguf/gguf.ts";
import type { Backend } from "../tensor/backend.ts";
import type { Trial } from "../tensor/choice.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { architectureOf } from "./architectures.ts";
import { readConfig } from "./config.ts";
import { loadWeights } from "./load.ts";
import type { Batch, Model, ModelLimits } from "./model.ts";

/**
 * Layers that are brought in: what a layer takes is the difference between this many and one, and the rest
 * of a model is what one layer takes beyond that. So a trial reads a small part of a large model.
 */
const LAYERS = 3;

/** Rows of the prompt: more than the kernels for few rows take. */
const PROMPT_ROWS = 32;

/** Steps that are measured; the fastest counts, as neighbours only slow one down. */
const STEPS = 6;

/** Once a kind of step has taken so long, it is not repeated. */
const BUDGET_MS = 500;

/** How to try. */
export interface TrialOptions {
  /** How keys and values will be cached. */
  readonly kvType: ModelLimits["kvType"];
  /** A clock in milliseconds. */
  readonly now: () => number;
  readonly signal?: AbortSignal;
}

/**
 * Measure how fast a backend computes a model, by its first layers: a few tokens of a prompt and of an answer.
 * The backend keeps what was loaded, and is the caller's to close. Rejects as `loadModel` does, and with
 * what the backend rejects with.
 */
export async function tryModel(
  gguf: GgufModel,
  backend: Backend,
  { kvType, now, signal }: TrialOptions,
): Promise<Trial> {
  const { layers } = readConfig(gguf);
  const few = Math.min(layers, LAYERS);
  const loaded = await loadWeights(firstLayers(gguf, few), backend, undefined, signal);
  const blockSize = Math.ceil(16 / backend.kvBlock) * backend.kvBlock;
  const limits: ModelLimits = {
    maxRows: PROMPT_ROWS,
    maxLogitRows: 1,
    blocks: Math.ceil((PROMPT_ROWS + 1) / blockSize),
    blockSize,
    kvType: kvType ?? "f32",
  };
  const architecture = architectureOf(loaded.config.architecture);
  const timeOf = async (count: number): Promise<Trial> => {
    const config = { ...loaded.config, layers: count };
    const model = architecture.create(backend, config, loaded.weights, limits);
    return timed(backend, model, now);
  };
  const whole = await timeOf(few);
  if (few === layers || few === 1) return whole;
  const one = await timeOf(1);
  const extended = (atFew: number, atOne: number): number =>
    atFew + (layers - few) * Math.max(0, (atFew - atOne) / (few - 1));
  return {
    promptMs: extended(whole.promptMs, one.promptMs),
    stepMs: extended(whole.stepMs, one.stepMs),
    logits: whole.logits,
  };
}

/** The model as if it had so many layers and no more. */
function firstLayers(gguf: GgufModel, count: number): GgufModel {
  const prefix = `${String(gguf.metadata.get("general.architecture"))}.`;
  const layers = gguf.metadata.get(`${prefix}block_count`);
  const metadata = new Map(gguf.metadata);
  for (const [name, value] of metadata) {
    // One value for each layer.
    const listed = typeof value === "object" && value.length === layers;
    if (listed && name.startsWith(prefix)) metadata.set(name, value.slice(0, count));
  }
  metadata.set(`${prefix}block_count`, count);
  const tensors = [...gguf.tensors].filter(([name]) => {
    const layer = /^blk\.(\d+)\./.exec(name)?.[1];
    return layer === undefined || Number(layer) < count;
  });
  return {
    version: gguf.version,
    byteLength: gguf.byteLength,
    metadata,
    tensors: new Map(tensors),
    read: (...args) => gguf.read(...args),
    close: () => gguf.close(),
  };
}

async function timed(backend: Backend, model: Model, now: () => number): Promise<Trial> {
  const { vocabSize } = model.config;
  // Of no meaning, and spread over the vocabulary.
  const tokens = Uint32Array.from(
    { length: PROMPT_ROWS + 1 },
    (_, i) => (7919 * (i + 1)) % vocabSize,
  );
  const step = async (from: number, to: number): Promise<Tensor> => {
    const batch = batchOf(tokens, from, to, model.limits);
    model.prepare(batch);
    let logits: Tensor | undefined;
    await backend.run((ops) => {
      logits = model.forward(ops, batch);
    });
    // As the engine does: a token comes back, and with it the end of the step is known.
    await backend.reduce(logits!, [{ row: 0, k: 1 }]);
    return logits!;
  };
  const fastest = async (from: number, to: number): Promise<number> => {
    // The first compiles and plans.
    await step(from, to);
    let best = Infinity;
    const begun = now();
    for (let i = 0; i < STEPS && now() - begun < BUDGET_MS; i++) {
      const start = now();
      await step(from, to);
      best = Math.min(best, now() - start);
    }
    return best;
  };
  const promptMs = (await fastest(0, PROMPT_ROWS)) / PROMPT_ROWS;
  // An encoder has whole texts only.
  const [from, to] =
    model.config.embedsOnly === true ? [0, PROMPT_ROWS] : [PROMPT_ROWS, PROMPT_ROWS + 1];
  const stepMs = from === 0 ? promptMs : await fastest(from, to);
  const logits = await step(from, to);
  return { promptMs, stepMs, logits: (await backend.read(logits)).slice() };
}

function batchOf(
  tokens: Uint32Array,
  from: number,
  to: number,
  { blocks, blockSize }: ModelLimits,
): Batch {
  const positions = Uint32Array.from({ length: to - from }, (_, i) => from + i);
  return {
    tokens: tokens.slice(from, to),
    positions,
    slots: positions,
    starts: Uint32Array.of(0, to - from),
    blocks: Uint32Array.from({ length: blocks }, (_, i) => i),
    blockSize,
    logitRows: Uint32Array.of(to - from - 1),
  };
}
