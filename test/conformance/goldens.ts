import { readFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openGguf } from "../../core/gguf/parse.ts";
import type { GgufModel } from "../../core/gguf/gguf.ts";
import { bytesSource } from "../../core/gguf/source.ts";
import { loadModel } from "../../core/model/load.ts";
import type { Model } from "../../core/model/model.ts";
import type { Backend } from "../../core/tensor/backend.ts";
import { createTokenizer } from "../../core/tokenizer/create.ts";
import type { Runner } from "../fixtures/runner.ts";
import { createRunner, greedy, logProbability, prefill } from "../fixtures/runner.ts";
import { shared } from "../fixtures/shared.ts";
import { hasStories260k, stories260kGguf } from "../fixtures/stories260k.ts";

/** A case of the demo model's goldens, computed by an independent float32 forward pass. */
interface DemoCase {
  readonly id: string;
  readonly prompt_ids: readonly number[];
  readonly greedy_ids: readonly number[];
  /** The smallest gap between the two best logits: what an error must reach to change a token. */
  readonly min_top2_margin: number;
  /** After the prompt, where they are given. */
  readonly last_logits?: readonly number[];
}

/** How a backend is to agree with the demo model's goldens. */
export interface DemoGoldensOptions {
  /** The weights, under `../shared/`. */
  readonly file: string;
  /** What was computed from them, there too; the dense model's unless given. */
  readonly goldens?: string;
  /** Only one in so many cases, where computing all of them would take minutes. */
  readonly oneIn?: number;
  /** Cases with a smaller margin are left out: rounded weights may decide them otherwise. */
  readonly leastMargin: number;
  /** Largest absolute error of a logit. */
  readonly logitTolerance: number;
  /** Rows of a step of the prompt. */
  readonly maxRows?: number;
}

const DEMO_GOLDENS = "demo-model/goldens.json";
const STORIES_GOLDENS = "data/goldens/stories260K.golden.json";
const STORIES_TEXT = "data/text/tinystories_sample.txt";
/** The demo model's end of sequence. */
const END = 2;
const SKIPPED = "skipped: ../shared/data not present";

interface Driven {
  readonly backend: Backend;
  readonly gguf: GgufModel;
  readonly model: Model;
  readonly runner: Runner;
}

async function drive(bytes: Uint8Array, backend: Backend, maxRows: number): Promise<Driven> {
  const gguf = await openGguf(bytesSource(bytes));
  const limits = { maxRows, maxLogitRows: maxRows, blocks: 64, blockSize: 16 };
  const model = await loadModel(gguf, backend, limits);
  return { backend, gguf, model, runner: createRunner(backend, model) };
}

function expectLogits(actual: Float32Array, expected: readonly number[], tolerance: number): void {
  expect(actual).toHaveLength(expected.length);
  const errors = expected.map((logit, i) => Math.abs(logit - actual[i]!));
  expect(Math.max(...errors)).toBeLessThanOrEqual(tolerance);
}

/** The demo model answers as its goldens say; the long chats reach beyond its sliding window. */
export function describeDemoGoldens(
  name: string,
  create: () => Promise<Backend>,
  options: DemoGoldensOptions,
): void {
  const file = shared(options.file);
  const goldens = shared(options.goldens ?? DEMO_GOLDENS);
  const missing = file === undefined || goldens === undefined;
  describe.skipIf(missing)(
    `${path.basename(options.file)} on ${name}${missing ? ` (${SKIPPED})` : ""}`,
    () => {
      const { cases } = missing
        ? { cases: [] }
        : (JSON.parse(readFileSync(goldens, "utf8")) as { readonly cases: readonly DemoCase[] });
      const { oneIn = 1 } = options;
      const clear = cases.filter(
        (golden, i) => i % oneIn === 0 && golden.min_top2_margin > options.leastMargin,
      );
      let driven: Driven;
      beforeAll(async () => {
        driven = await drive(readFileSync(file!), await create(), options.maxRows ?? 64);
      });
      afterAll(() => driven.backend.close());

      test.for([...clear])("answers $id token for token", async (golden) => {
        const { runner, model } = driven;
        const { prompt_ids: prompt, greedy_ids: expected, last_logits: expectedLogits } = golden;
        runner.reset(0);
        const logits = await prefill(runner, model, prompt);
        if (expectedLogits !== undefined) {
          expectLogits(logits, expectedLogits, options.logitTolerance);
        }
        expect(await greedy(runner, model, logits, expected.length, END)).toEqual(expected);
      });
    },
  );
}

interface StoriesGoldens {
  readonly greedy: readonly {
    readonly prompt_ids: readonly number[];
    readonly generated_ids: readonly number[];
  }[];
  readonly last_position_logits_float64: {
    readonly prompt_ids: readonly number[];
    readonly logits: readonly number[];
  };
  readonly tinystories_sample: {
    readonly stories: readonly { readonly tokens: number; readonly nll: number }[];
  };
}

/** How a backend is to agree with the goldens of stories260K, whose weights are float32. */
export interface StoriesGoldensOptions {
  /** Largest absolute error of a logit. */
  readonly logitTolerance: number;
  /** Largest relative error of a story's negative log-likelihood. */
  readonly nllTolerance: number;
}

/** stories260K tells its tale as two independent engines do, and judges texts as they do. */
export function describeStoriesGoldens(
  name: string,
  create: () => Promise<Backend>,
  { logitTolerance, nllTolerance }: StoriesGoldensOptions,
): void {
  const [goldens, text] = [shared(STORIES_GOLDENS), shared(STORIES_TEXT)];
  const missing = !hasStories260k || goldens === undefined || text === undefined;
  describe.skipIf(missing)(`stories260K on ${name}${missing ? ` (${SKIPPED})` : ""}`, () => {
    let driven: Driven;
    let golden: StoriesGoldens;
    beforeAll(async () => {
      golden = JSON.parse(readFileSync(goldens!, "utf8")) as StoriesGoldens;
      driven = await drive(stories260kGguf(), await create(), 64);
    });
    afterAll(() => driven.backend.close());

    test("continues a story greedily for 200 tokens", async () => {
      const { runner, model } = driven;
      for (const { prompt_ids: prompt, generated_ids: expected } of golden.greedy) {
        expect(expected).toHaveLength(200);
        runner.reset(0);
        const logits = await prefill(runner, model, prompt);
        expect(await greedy(runner, model, logits, 200)).toEqual(expected);
      }
    });

    test("has the logits of a float64 forward pass", async () => {
      const { runner, model } = driven;
      const { prompt_ids: prompt, logits } = golden.last_position_logits_float64;
      runner.reset(0);
      expectLogits(await prefill(runner, model, prompt), logits, logitTolerance);
    });

    test("gives stories the likelihood of a float64 forward pass", async () => {
      const { gguf, runner, model } = driven;
      const tokenizer = createTokenizer(gguf.metadata);
      const stories = readFileSync(text!, "utf8").split("<|endoftext|>").slice(0, 5);
      const expected = golden.tinystories_sample.stories;
      for (const [i, story] of stories.entries()) {
        const tokens = [tokenizer.bos!, ...tokenizer.encode(story.trim())];
        expect(tokens).toHaveLength(expected[i]!.tokens);
        const nll = await negativeLogLikelihood(runner, model, tokens);
        expect(Math.abs(nll / expected[i]!.nll - 1)).toBeLessThanOrEqual(nllTolerance);
      }
    });
  });
}

async function negativeLogLikelihood(
  runner: Runner,
  model: Model,
  tokens: readonly number[],
): Promise<number> {
  const { maxRows } = model.limits;
  runner.reset(0);
  let nll = 0;
  for (let at = 0; at + 1 < tokens.length; at += maxRows) {
    const chunk = tokens.slice(at, Math.min(at + maxRows, tokens.length - 1));
    const [rows] = await runner.step([
      { sequence: 0, tokens: chunk, logits: chunk.map((_, row) => row) },
    ]);
    for (const [row, logits] of rows!.entries()) {
      nll -= logProbability(logits, tokens[at + row + 1]!);
    }
  }
  return nll;
}
