import type { RuntimeError } from "../errors.ts";
import type { EmbedRequest } from "./engine.ts";
import { type Job, NO_STOPS, type Tally } from "./job.ts";
import { createSequence } from "./sequence.ts";

/** Who waits for an embedding. */
export interface EmbedReader {
  resolve(embedding: Float32Array): void;
  reject(error: RuntimeError): void;
}

/**
 * Makes one vector of a text: the mean of its tokens' final hidden states, or the last one, at length 1.
 *
 * @param dim Width of a hidden state.
 */
export function createEmbedJob(
  request: EmbedRequest,
  dim: number,
  reader: EmbedReader,
  tally: Tally,
  arrived: number,
): Job {
  const { tokens, pooling } = request;
  const wanted = pooling === "mean" ? 0 : tokens.length - 1;
  const sequence = createSequence(tokens, tokens.length, wanted, NO_STOPS, request);
  // Positions come in order and only once, however they are cut into steps and however often the cache is
  // taken away: so the sum is always the same one.
  const sum = new Float64Array(dim);

  return {
    sequence,
    arrived,
    deadline: Infinity,
    begin: () => {},
    ask: () => {},
    take: () => undefined,
    pool(states) {
      for (let i = 0; i < states.length; i++) sum[i % dim]! += states[i]!;
    },
    finish() {
      tally.promptTokens += tokens.length;
      reader.resolve(toUnitLength(sum));
    },
    fail: (error) => reader.reject(error),
  };
}

/** `vector` at Euclidean length 1; one without a direction stays as it is. */
export function toUnitLength(vector: Float64Array): Float32Array {
  let squares = 0;
  for (const value of vector) squares += value * value;
  const scale = squares > 0 ? 1 / Math.sqrt(squares) : 1;
  return Float32Array.from(vector, (value) => value * scale);
}
