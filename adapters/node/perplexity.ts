import { RuntimeError } from "../../core/errors.ts";
import type { Engine } from "../../core/engine/engine.ts";

/** How well a model predicts a text. */
export interface Perplexity {
  /** Tokens that were judged. */
  readonly tokens: number;
  /** Mean negative log-likelihood of a judged token, in nats. */
  readonly nll: number;
  /** e to the power of `nll`. */
  readonly ppl: number;
}

/** What to judge and how. */
export interface PerplexityOptions {
  /** The text with the model's begin-of-sequence token, where it wants one. */
  readonly tokens: readonly number[];
  /** Tokens of one chunk. */
  readonly chunkLength: number;
  /** Put first in every chunk, for models that want it. */
  readonly bos: number | undefined;
  /** At most this many chunks. */
  readonly chunks?: number;
  /** Called after each chunk. */
  readonly onProgress?: (chunksDone: number, chunksTotal: number, soFar: Perplexity) => void;
  /** Ends it with `ABORTED`. */
  readonly signal?: AbortSignal;
}

/**
 * Perplexity as llama.cpp's `llama-perplexity` defines it, so that numbers compare: the text is cut into
 * whole chunks, the first token of each gives way to `bos`, and only the second half of a chunk counts,
 * so that every judged token has at least half a chunk before it.
 *
 * Throws `INVALID_REQUEST` where the text is shorter than one chunk.
 */
export async function perplexity(
  engine: Pick<Engine, "score">,
  options: PerplexityOptions,
): Promise<Perplexity> {
  const { tokens, chunkLength, bos, onProgress, signal } = options;
  const total = Math.min(Math.floor(tokens.length / chunkLength), options.chunks ?? Infinity);
  if (total < 1) {
    throw new RuntimeError(
      "INVALID_REQUEST",
      `Cannot measure perplexity: the text has ${tokens.length} tokens, a chunk needs ${chunkLength}; ` +
        "give a longer text or a smaller --ctx",
    );
  }
  // The token at position n / 2 is the last that only gives context; what it predicts is judged first.
  const from = Math.floor(chunkLength / 2) + 1;
  let sum = 0;
  let count = 0;
  for (let i = 0; i < total; i++) {
    const chunk = tokens.slice(i * chunkLength, (i + 1) * chunkLength);
    if (bos !== undefined) chunk[0] = bos;
    const scored = await engine.score({
      tokens: chunk,
      from,
      ...(signal === undefined ? {} : { signal }),
    });
    for (const logprob of scored) sum -= logprob;
    count += scored.length;
    onProgress?.(i + 1, total, toPerplexity(sum, count));
  }
  return toPerplexity(sum, count);
}

function toPerplexity(sum: number, count: number): Perplexity {
  return { tokens: count, nll: sum / count, ppl: Math.exp(sum / count) };
}
