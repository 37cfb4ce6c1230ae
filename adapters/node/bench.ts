import type { GenerateRequest } from "../../core/engine/engine.ts";
import { GREEDY } from "../../core/sampler/params.ts";
import type { Backend } from "../../core/tensor/backend.ts";
import { type BenchProfile, profiledBackend, profileOf } from "./bench-profile.ts";
import { loadLocal, type LoadedModel, type LoadOptions } from "./load.ts";
import { takeLoras } from "./take-loras.ts";

/** One measurement, with the names that scripts read. */
export interface BenchRow {
  readonly model: string;
  readonly quant: string;
  readonly backend: string;
  readonly threads: number;
  /** `pp128`: a prompt of 128 tokens; `tg64`: 64 tokens generated one by one; `tg64x8`: by 8 sequences at the same time. */
  readonly test: string;
  /** Mean of the repetitions' tokens per second, of all sequences together. */
  readonly avg_ts: number;
  /** Their standard deviation (of a sample); 0 for one repetition. */
  readonly stddev_ts: number;
  /** 10^9 bytes of weights read per second while generating; a prompt's rows share their reads. */
  readonly gb_s: number | null;
  /** Where one was asked for: of one more run. */
  readonly profile?: BenchProfile;
}

/** What to measure. */
export interface BenchOptions {
  readonly load: LoadOptions;
  /** Prompt lengths. */
  readonly prompts: readonly number[];
  /** Numbers of tokens to generate. */
  readonly predictions: readonly number[];
  /** Numbers of sequences that generate at the same time; each is a test of its own. Default: one. */
  readonly parallel?: readonly number[];
  readonly repetitions: number;
  /** Look at the kernels of a GPU, too; every step is then slower. */
  readonly profile?: boolean;
  readonly onStart?: (what: string) => void;
}

/** Bytes in a gigabyte, as vendors of memory count. */
const GIGA = 1e9;

/**
 * Measure a model in this thread, through the engine and so with sampling and scheduling in it. As in
 * llama-bench prompts are random tokens, generation begins with an empty context and a first token, so
 * that n tokens are n steps of one row, and one run of each kind comes first and does not count.
 */
export async function bench(options: BenchOptions): Promise<readonly BenchRow[]> {
  const { prompts, predictions, repetitions, parallel = [1], profile = false } = options;
  const longest = Math.max(0, ...prompts, ...predictions);
  let backend: Backend | undefined;
  const loaded = await loadLocal({
    ...options.load,
    ...(profile ? { profile, onBackend: (made) => (backend = made) } : {}),
    // One token comes before the first that is generated and one after the last of a prompt.
    contextSize: longest + 1,
    parallel: Math.max(1, ...parallel),
    // Every sequence keeps its room, or some would wait while the others are measured.
    kvBytes: Infinity,
    inProcess: true,
    // Repetitions begin alike, and each is to be computed.
    sharePrefixes: false,
    // Answers to nothing repeat themselves: a token is to be a step, unless a draft model is measured.
    speculate: options.load.draft === undefined ? false : "model",
  });
  const model = takeLoras(loaded);
  try {
    const profiled = profile ? await profiledBackend(backend) : undefined;
    const tests = [
      ...prompts.map((n) => ({
        name: `pp${n}`,
        tokens: n,
        requests: () => [promptRequest(model, n)],
        bytesPerToken: null,
      })),
      ...predictions.flatMap((n) =>
        parallel.map((sequences) => ({
          name: sequences === 1 ? `tg${n}` : `tg${n}x${sequences}`,
          tokens: n * sequences,
          requests: () => Array.from({ length: sequences }, () => generateRequest(model, n)),
          // A step reads the weights once for all its sequences.
          bytesPerToken: model.weightBytesPerToken / sequences,
        })),
      ),
    ];
    const rows: BenchRow[] = [];
    for (const { name, tokens, requests, bytesPerToken } of tests) {
      options.onStart?.(name);
      await secondsOf(model, requests());
      const speeds: number[] = [];
      for (let i = 0; i < repetitions; i++) {
        speeds.push(tokens / (await secondsOf(model, requests())));
      }
      const average = mean(speeds);
      rows.push({
        model: model.config.name,
        quant: model.quant,
        backend: model.engine.info.backend,
        threads: model.engine.info.threads,
        test: name,
        avg_ts: average,
        stddev_ts: deviation(speeds, average),
        gb_s: bytesPerToken === null ? null : (average * bytesPerToken) / GIGA,
        ...(profiled === undefined
          ? {}
          : { profile: await profileOf(profiled, () => secondsOf(model, requests())) }),
      });
    }
    return rows;
  } finally {
    await model.close();
  }
}

/** Tokens without meaning; spread over the vocabulary so that the embedding is read all over. */
function promptRequest(model: LoadedModel, length: number): GenerateRequest {
  const { vocabSize } = model.config;
  const tokens = Array.from({ length }, () => Math.floor(Math.random() * vocabSize));
  return { tokens, maxTokens: 1, sampling: GREEDY, stopTokens: [] };
}

function generateRequest(model: LoadedModel, maxTokens: number): GenerateRequest {
  return { tokens: [model.tokenizer.bos ?? 0], maxTokens, sampling: GREEDY, stopTokens: [] };
}

/** How long the engine takes to answer all of the requests, which begin at the same time. */
async function secondsOf(
  model: LoadedModel,
  requests: readonly GenerateRequest[],
): Promise<number> {
  const start = performance.now();
  await Promise.all(requests.map((request) => finish(model, request)));
  return (performance.now() - start) / 1000;
}

async function finish(model: LoadedModel, request: GenerateRequest): Promise<void> {
  for await (const event of model.engine.generate(request)) {
    if (event.type === "done") return;
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function deviation(values: readonly number[], average: number): number {
  if (values.length < 2) return 0;
  const squares = values.reduce((sum, value) => sum + (value - average) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1));
}
