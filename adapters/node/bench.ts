import type { GenerateRequest } from "../../core/engine/engine.ts";
import { GREEDY } from "../../core/sampler/params.ts";
import { loadLocal, type LoadedModel, type LoadOptions } from "./load.ts";

/** One measurement, with the names that scripts read. */
export interface BenchRow {
  readonly model: string;
  readonly quant: string;
  readonly backend: string;
  readonly threads: number;
  /** `pp128`: a prompt of 128 tokens; `tg64`: 64 tokens generated one by one. */
  readonly test: string;
  /** Mean of the repetitions' tokens per second. */
  readonly avg_ts: number;
  /** Their standard deviation (of a sample); 0 for one repetition. */
  readonly stddev_ts: number;
  /** 10^9 bytes of weights read per second while generating; a prompt's rows share their reads. */
  readonly gb_s: number | null;
}

/** What to measure. */
export interface BenchOptions {
  readonly load: LoadOptions;
  /** Prompt lengths. */
  readonly prompts: readonly number[];
  /** Numbers of tokens to generate. */
  readonly predictions: readonly number[];
  readonly repetitions: number;
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
  const { prompts, predictions, repetitions } = options;
  const longest = Math.max(0, ...prompts, ...predictions);
  const model = await loadLocal({
    ...options.load,
    // One token comes before the first that is generated and one after the last of a prompt.
    contextSize: longest + 1,
    parallel: 1,
    inProcess: true,
  });
  try {
    const tests = [
      ...prompts.map((n) => ({
        name: `pp${n}`,
        n,
        request: () => promptRequest(model, n),
        perStep: null,
      })),
      ...predictions.map((n) => ({
        name: `tg${n}`,
        n,
        request: () => generateRequest(model, n),
        perStep: model.weightBytesPerToken,
      })),
    ];
    const rows: BenchRow[] = [];
    for (const { name, n, request, perStep } of tests) {
      options.onStart?.(name);
      await secondsOf(model, request());
      const speeds: number[] = [];
      for (let i = 0; i < repetitions; i++) speeds.push(n / (await secondsOf(model, request())));
      const average = mean(speeds);
      rows.push({
        model: model.config.name,
        quant: model.quant,
        backend: model.engine.info.backend,
        threads: model.engine.info.threads,
        test: name,
        avg_ts: average,
        stddev_ts: deviation(speeds, average),
        gb_s: perStep === null ? null : (average * perStep) / GIGA,
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

async function secondsOf(model: LoadedModel, request: GenerateRequest): Promise<number> {
  const start = performance.now();
  for await (const event of model.engine.generate(request)) {
    if (event.type === "done") break;
  }
  return (performance.now() - start) / 1000;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function deviation(values: readonly number[], average: number): number {
  if (values.length < 2) return 0;
  const squares = values.reduce((sum, value) => sum + (value - average) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1));
}
