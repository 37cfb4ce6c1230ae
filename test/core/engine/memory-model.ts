import type { Batch, Model, ModelLimits, Pooling } from "../../../core/model/model.ts";
import { createSampler } from "../../../core/sampler/sampler.ts";
import type { SamplingParams } from "../../../core/sampler/params.ts";
import type { Backend, KvLayer, Ops } from "../../../core/tensor/backend.ts";
import { reduceLogits } from "../../../core/tensor/reduce-logits.ts";
import type { Tensor } from "../../../core/tensor/tensor.ts";

/*
 * A model that is nothing but memory: it stores each token in the slot it is told, and its logits are a
 * hash of all the tokens that it finds through the block tables. A token in a wrong slot, a stale block,
 * a wrong position or a row that was never computed gives other logits.
 */

export const VOCAB = 50;
/** Width of a state: what its row saw, in bytes of a hash. */
export const STATE = 4;

/** How the model is to behave; tests change it as they go. */
export interface MemoryModel {
  readonly model: Model;
  readonly backend: Backend;
  /** Every batch, as copies. */
  readonly batches: Batch[];
  /** Called before each step; may throw or wait. */
  onRun: (() => void | Promise<void>) | undefined;
  closed: number;
}

/**
 * @param span The model's answers depend on so many tokens, wherever they are; with few they repeat
 * themselves. Infinity: on all tokens and their positions.
 */
export function createMemoryModel(
  limits: ModelLimits,
  contextLength = 1000,
  span = Infinity,
): MemoryModel {
  // What lies in a slot: token * 65536 + position + 1; 0 where nothing has been written.
  const slots = new Uint32Array(limits.blocks * limits.blockSize);
  const logits = new Float32Array(limits.maxLogitRows * VOCAB);
  const states = new Float32Array(limits.maxLogitRows * STATE);
  const hidden: Tensor = { dtype: "f32", shape: [limits.maxLogitRows, STATE], label: "states" };
  const output: Tensor = { dtype: "f32", shape: [limits.maxLogitRows, VOCAB], label: "logits" };
  let prepared: Batch | undefined;

  const self: MemoryModel = {
    model: {
      config: {
        architecture: "memory",
        name: "memory",
        dim: STATE,
        hiddenDim: 1,
        layers: 1,
        heads: 1,
        kvHeads: 1,
        headDim: 1,
        vocabSize: VOCAB,
        contextLength,
        normEps: 1e-5,
        rope: { style: "norm", dims: 2, theta: 10000, scaling: { type: "none" } },
      },
      limits,
      cache: [{ label: "memory", slots: slots.length }],
      prepare(batch) {
        prepared = batch;
      },
      forward(_ops, batch) {
        if (prepared !== batch) throw new Error("the batch was not prepared");
        check(batch, limits);
        self.batches.push(copy(batch));
        remember(batch, slots);
        logits.fill(NaN);
        answer(batch, slots, logits, states, span);
        return output;
      },
      states: () => hidden,
    },
    backend: {
      name: "memory",
      threads: 1,
      kvBlock: 1,
      async run(record) {
        await self.onRun?.();
        record({} as Ops);
      },
      read: (tensor) =>
        tensor === output
          ? Promise.resolve(logits)
          : tensor === hidden
            ? Promise.resolve(states)
            : Promise.reject(new Error("unknown tensor")),
      reduce: (tensor, queries) =>
        tensor === output
          ? Promise.resolve(
              queries.map((query) =>
                reduceLogits(logits.subarray(query.row * VOCAB, (query.row + 1) * VOCAB), query),
              ),
            )
          : Promise.reject(new Error("unknown tensor")),
      need: () => ({ weights: 1, kv: 2, activations: 3, limit: Infinity }),
      memory: () => ({ weights: 1, kv: 2, activations: 3 }),
      close() {
        self.closed++;
        return Promise.resolve();
      },
      loadWeight: () => Promise.resolve(output),
      alloc: () => output,
      allocKv: (): KvLayer => ({ label: "kv", slots: slots.length }),
      zeroKv: (_layer, first, count) => void slots.fill(0, first, first + count),
      view: (tensor) => tensor,
      write: () => {},
    },
    batches: [],
    onRun: undefined,
    closed: 0,
  };
  return self;
}

/** What a model may rely on. */
function check(batch: Batch, limits: ModelLimits): void {
  const { tokens, positions, slots, starts, logitRows, blockSize } = batch;
  const rows = tokens.length;
  const fine =
    rows > 0 &&
    rows <= limits.maxRows &&
    logitRows.length <= limits.maxLogitRows &&
    positions.length === rows &&
    slots.length === rows &&
    blockSize === limits.blockSize &&
    starts[0] === 0 &&
    starts.at(-1) === rows &&
    new Set(slots).size === rows &&
    logitRows.every((row, i) => row < rows && (i === 0 || row > logitRows[i - 1]!));
  if (!fine) throw new Error("the batch is malformed");
}

function remember({ tokens, positions, slots }: Batch, memory: Uint32Array): void {
  for (const [row, slot] of slots.entries()) {
    if (slot >= memory.length) throw new Error(`slot ${slot} does not exist`);
    memory[slot] = tokens[row]! * 65536 + positions[row]! + 1;
  }
}

function answer(
  batch: Batch,
  memory: Uint32Array,
  logits: Float32Array,
  states: Float32Array,
  span: number,
): void {
  const { starts, positions, blocks, blockSize, logitRows } = batch;
  const sequences = starts.length - 1;
  const maxBlocks = blocks.length / sequences;
  for (const [i, row] of logitRows.entries()) {
    let s = 0;
    while (row >= starts[s + 1]!) s++;
    const seen: number[] = [];
    for (let p = 0; p <= positions[row]!; p++) {
      const block = blocks[s * maxBlocks + Math.floor(p / blockSize)]!;
      seen.push(memory[block * blockSize + (p % blockSize)]!);
    }
    const misplaced = seen.some((value, p) => value % 65536 !== p + 1);
    const hash = misplaced
      ? 0
      : hashOf(
          seen.map((value) => Math.floor(value / 65536)),
          span,
        );
    states.set(stateOf(hash), i * STATE);
    if (batch.headless !== true) logits.set(logitsOf(hash), i * VOCAB);
  }
}

const SEED = 2166136261;

function mix(hash: number, value: number): number {
  const mixed = Math.imul(hash ^ value, 0x9e3779b1);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}

function logitsOf(hash: number): Float32Array {
  return Float32Array.from({ length: VOCAB }, (_, id) => (mix(hash, id) % 4096) / 512);
}

function stateOf(hash: number): Float32Array {
  return Float32Array.from({ length: STATE }, (_, i) => ((hash >>> (8 * i)) & 255) - 127);
}

/** The model's logits after some tokens, without any cache. */
export function logitsAfter(tokens: readonly number[], span = Infinity): Float32Array {
  return logitsOf(hashOf(tokens, span));
}

/** The model's final state after some tokens, without any cache. */
function stateAfter(tokens: readonly number[]): Float32Array {
  return stateOf(hashOf(tokens));
}

/** What an engine must embed, computed the slow way. */
export function embeddingOf(tokens: readonly number[], pooling: Pooling): Float32Array {
  const states = tokens.map((_, i) => stateAfter(tokens.slice(0, i + 1)));
  const pooled = Array.from({ length: STATE }, (_, d) =>
    pooling === "last" ? states.at(-1)![d]! : states.reduce((sum, state) => sum + state[d]!, 0),
  );
  const length = Math.sqrt(pooled.reduce((sum, value) => sum + value * value, 0));
  return Float32Array.from(pooled, (value) => value * (1 / length));
}

function hashOf(tokens: readonly number[], span = Infinity): number {
  let hash = SEED;
  if (span < Infinity) return tokens.slice(-span).reduce((mixed, token) => mix(mixed, token), hash);
  for (const [p, token] of tokens.entries()) hash = mix(hash, token * 65536 + p + 1);
  return hash;
}

/** What an engine must generate, computed the slow way; the stop token is left out. */
export function expected(
  prompt: readonly number[],
  maxTokens: number,
  sampling: SamplingParams,
  stopTokens: readonly number[] = [],
  span = Infinity,
): number[] {
  const sampler = createSampler(sampling, VOCAB);
  const tokens = [...prompt];
  for (let i = 0; i < maxTokens; i++) {
    const token = sampler.sample(logitsAfter(tokens, span), tokens, i);
    if (stopTokens.includes(token)) break;
    tokens.push(token);
  }
  return tokens.slice(prompt.length);
}

function copy(batch: Batch): Batch {
  return {
    tokens: batch.tokens.slice(),
    positions: batch.positions.slice(),
    slots: batch.slots.slice(),
    starts: batch.starts.slice(),
    blocks: batch.blocks.slice(),
    logitRows: batch.logitRows.slice(),
    blockSize: batch.blockSize,
    headless: batch.headless ?? false,
  };
}
