import type { RuntimeError } from "../errors.ts";
import type { EmbedRequest } from "./engine.ts";
import { chooseLora } from "./lora.ts";
import { type Job, NO_STOPS, type Tally } from "./job.ts";
import { createSequence } from "./sequence.ts";

/** Who waits for an embedding. */
export interface EmbedReader {
  resolve(embedding: Float32Array): void;
  reject(error: RuntimeError): void;
}

/**
 * Makes one vector of a text: the mean of its tokens' final hidden states, the last one or the first, at length 1.
 *
 * @param dim Width of a hidden state.
 */
export function createEmbedJob(
  request: EmbedRequest,
  dim: number,
  reader: EmbedReader,
  tally: Tally,
  loras: readonly string[],
  arrived: number,
): Job {
  const { tokens, pooling } = request;
  const wanted = pooling === "last" ? tokens.length - 1 : 0;
  const sequence = createSequence(tokens, tokens.length, wanted, NO_STOPS, {
    ...request,
    lora: chooseLora(loras, request.lora),
  });
  // Positions come in order and only once, however they are cut into steps and however often the cache is
  // taken away: so the sum is always the same one.
  const sum = new Float64Array(dim);
  let pooled = 0;

  return {
    sequence,
    arrived,
    deadline: Infinity,
    begin: () => {},
    ask: () => {},
    take: () => undefined,
    pool(states) {
      const counted = pooling === "cls" ? Math.max(0, dim - pooled) : states.length;
      for (let i = 0; i < Math.min(counted, states.length); i++) sum[i % dim]! += states[i]!;
      pooled += states.length;
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
