import { createBackend, type BackendPreference } from "../../../adapters/node/backend.ts";
import { startEngine, type EngineOptions } from "../../../adapters/node/open-engine.ts";
import { perplexity } from "../../../adapters/node/perplexity.ts";
import type { GgufModel } from "../../../core/gguf/gguf.ts";
import { loadModel } from "../../../core/model/load.ts";
import { createRunner } from "../../fixtures/runner.ts";

/** What is judged: whole chunks of a text, the second half of each, as `perplexity` does. */
export interface Judged {
  readonly tokens: readonly number[];
  readonly chunkLength: number;
  readonly chunks: number;
  readonly bos: number | undefined;
}

/** Log-likelihood of every judged token under the WASM kernels, in order; nats. */
export async function logLikelihoods(
  gguf: GgufModel,
  judged: Judged,
  options: Pick<EngineOptions, "threads" | "kvType">,
): Promise<Float64Array> {
  const room = { contextSize: judged.chunkLength, parallel: 1 };
  const engine = await startEngine(
    gguf,
    { backend: "wasm", ...options, ...room },
    performance.now(),
  );
  const scores: number[] = [];
  try {
    const recording = {
      async score(request: Parameters<typeof engine.score>[0]): Promise<Float64Array> {
        const scored = await engine.score(request);
        scores.push(...scored);
        return scored;
      },
    };
    await perplexity(recording, judged);
  } finally {
    await engine.close();
  }
  return Float64Array.from(scores);
}

/** Logits after each of `tokens`, which are one step: [tokens, vocabulary]. */
export async function logitsOf(
  gguf: GgufModel,
  preference: BackendPreference,
  tokens: readonly number[],
): Promise<readonly Float32Array[]> {
  const { backend } = await createBackend({ preference, threads: 1 });
  try {
    const blockSize = 16;
    const model = await loadModel(gguf, backend, {
      maxRows: tokens.length,
      maxLogitRows: tokens.length,
      blocks: Math.ceil(tokens.length / blockSize),
      blockSize,
    });
    const logits = tokens.map((_, row) => row);
    const [rows = []] = await createRunner(backend, model).step([{ sequence: 0, tokens, logits }]);
    return rows;
  } finally {
    await backend.close();
  }
}

/** The largest difference between two sets of logits, and the largest logit of `expected`. */
export function largestDifference(
  expected: readonly Float32Array[],
  found: readonly Float32Array[],
): { readonly difference: number; readonly largest: number } {
  let difference = 0;
  let largest = 0;
  for (const [row, logits] of expected.entries()) {
    for (const [token, logit] of logits.entries()) {
      const error = Math.abs(logit - (found[row]?.[token] ?? Number.NaN));
      // A NaN is as wrong as can be.
      difference = Number.isNaN(error) ? Infinity : Math.max(difference, error);
      largest = Math.max(largest, Math.abs(logit));
    }
  }
  return { difference, largest };
}
