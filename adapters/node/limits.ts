import type { ModelConfig, ModelLimits } from "../../core/model/model.ts";
import { kvHeadBytes, type KvType } from "../../core/tensor/kv-type.ts";

/** What a caller may say about the room that a model gets; absent values take the defaults below. */
export interface RoomOptions {
  /** Tokens that one request may hold, prompt and answer together. */
  readonly contextSize?: number;
  /** Requests that run at the same time. */
  readonly parallel?: number;
  /** Rows of one step. */
  readonly batchSize?: number;
  /** Rows of one step whose logits can be had, at least `parallel`; scoring a text wants many. */
  readonly logitRows?: number;
  /** Bytes for the cache of keys and values. */
  readonly kvBytes?: number;
  /** How keys and values are cached. */
  readonly kvType?: KvType;
  /** Whether what is computed of a prompt serves later ones that begin alike; absent means yes. */
  readonly sharePrefixes?: boolean;
  /** Whether next tokens are guessed and verified where that pays; absent means yes, `model` by a draft model alone. */
  readonly speculate?: boolean | "model";
}

/** The room a model gets. */
export interface Room {
  readonly limits: ModelLimits & { readonly kvType: KvType };
  readonly contextLength: number;
  readonly parallel: number;
}

/** Models made for 128 k tokens would reserve gigabytes of cache that a short chat never touches. */
const DEFAULT_CONTEXT = 4096;

/** As many answers as a small machine computes in one step before each becomes slow to watch. */
const DEFAULT_PARALLEL = 8;

/** Long enough for a prompt to run at full speed, short enough (tens of ms) not to hold up answers. */
const DEFAULT_ROWS = 128;

/**
 * Enough for a full context of a small model beside several short ones. Requests beyond it wait or are
 * computed again later, so this bounds memory and not what is answered.
 */
const DEFAULT_KV_BYTES = 256 * 1024 * 1024;

/** Positions per cache block: what the WASM kernels group keys by, see `Backend.kvBlock`. */
const LEAST_BLOCK = 16;

/** What was computed, unrounded; the others save memory, and f16 no time (PERFORMANCE.md, "Cache types"). */
const DEFAULT_KV_TYPE: KvType = "f32";

/** A step judges at most this many rows at a time for `score`; the buffer is rows × vocabulary. */
const SCORE_ROWS = 32;

/** Requests that may wait for each slot: behind more, an answer would come after its client left. */
const WAITING_PER_SLOT = 4;

/** Contexts full of prompts that may wait: half a minute of computing on a small model. */
const WAITING_CONTEXTS = 8;

/** Who has waited for so long is told to come back: clients give up in about a minute. */
const MAX_WAIT_MS = 30_000;

/** What may wait for a model's slots. */
export function planQueue({ parallel, contextLength }: Room): {
  readonly maxWaiting: number;
  readonly maxWaitingTokens: number;
  readonly maxWaitMs: number;
} {
  return {
    maxWaiting: WAITING_PER_SLOT * parallel,
    maxWaitingTokens: WAITING_CONTEXTS * contextLength,
    maxWaitMs: MAX_WAIT_MS,
  };
}

/** Bytes of cache for one position of one sequence. */
export function kvBytesPerToken(config: ModelConfig, type: KvType = DEFAULT_KV_TYPE): number {
  return 2 * config.layers * config.kvHeads * kvHeadBytes(type, config.headDim);
}

/**
 * How much room a model gets. The cache always holds one full context, and up to `parallel` of them
 * while that stays within `kvBytes`; where another model is cached `beside` it in the same blocks, both together.
 */
export function planRoom(
  config: ModelConfig,
  options: RoomOptions,
  kvBlock: number = LEAST_BLOCK,
  beside?: ModelConfig,
): Room {
  const { embedsOnly = false } = config;
  const wanted = Math.min(config.contextLength, options.contextSize ?? DEFAULT_CONTEXT);
  const parallel = options.parallel ?? DEFAULT_PARALLEL;
  const kvType = options.kvType ?? DEFAULT_KV_TYPE;
  // Texts that are seen both ways come in one step, with the states of all their tokens.
  const usualRows = embedsOnly ? Math.max(DEFAULT_ROWS, wanted) : DEFAULT_ROWS;
  const maxRows = Math.max(options.batchSize ?? usualRows, 1);
  const contextLength = embedsOnly ? Math.min(wanted, maxRows) : wanted;
  const logitRows = embedsOnly ? maxRows : (options.logitRows ?? SCORE_ROWS);
  const blockSize = Math.ceil(LEAST_BLOCK / kvBlock) * kvBlock;
  const one = Math.ceil(contextLength / blockSize);
  const own = kvBytesPerToken(config, kvType);
  const perToken = own + (beside === undefined ? 0 : kvBytesPerToken(beside, kvType));
  const affordable = Math.floor((options.kvBytes ?? DEFAULT_KV_BYTES) / (perToken * blockSize));
  // Texts that come in one step are out of the cache after it.
  const useful = embedsOnly ? Math.ceil(maxRows / blockSize) + parallel : one * parallel;
  const blocks = Math.max(one, Math.min(useful, affordable));
  return {
    limits: {
      maxRows,
      maxLogitRows: Math.min(maxRows, Math.max(parallel, logitRows)),
      blocks,
      blockSize,
      kvType,
    },
    contextLength,
    parallel,
  };
}
