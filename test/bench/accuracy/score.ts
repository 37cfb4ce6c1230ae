import { startEngine, type EngineOptions } from "../../../adapters/node/open-engine.ts";
import { perplexity } from "../../../adapters/node/perplexity.ts";
import type { GgufModel } from "../../../core/gguf/gguf.ts";

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
