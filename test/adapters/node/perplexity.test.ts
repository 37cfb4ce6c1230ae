import { expect, test } from "vitest";
import { perplexity } from "../../../adapters/node/perplexity.ts";
import type { Engine, ScoreRequest } from "../../../core/engine/engine.ts";

function unused(): never {
  throw new Error("not used here");
}

/** An engine for which every token has the same probability; it keeps what it was asked. */
function scorer(probability: number): { engine: Engine; asked: ScoreRequest[] } {
  const asked: ScoreRequest[] = [];
  const engine: Engine = {
    get info(): never {
      return unused();
    },
    generate: unused,
    embed: unused,
    stats: unused,
    close: unused,
    score(request) {
      asked.push(request);
      const judged = request.tokens.length - request.from;
      return Promise.resolve(new Float64Array(judged).fill(Math.log(probability)));
    },
  };
  return { engine, asked };
}

test("perplexity of a uniform guess among 8 tokens is 8", async () => {
  const { engine } = scorer(1 / 8);
  const tokens = Array.from({ length: 40 }, (_, i) => i);
  const result = await perplexity(engine, { tokens, chunkLength: 10, bos: undefined });
  expect(result.ppl).toBeCloseTo(8, 10);
  expect(result.nll).toBeCloseTo(Math.log(8), 10);
});

test("perplexity judges the second half of whole chunks, as llama-perplexity does", async () => {
  const { engine, asked } = scorer(0.5);
  const tokens = Array.from({ length: 35 }, (_, i) => i);
  const result = await perplexity(engine, { tokens, chunkLength: 10, bos: undefined });
  expect(asked.map(({ tokens: chunk, from }) => [chunk[0], chunk.length, from])).toEqual([
    [0, 10, 6],
    [10, 10, 6],
    [20, 10, 6],
  ]);
  // Of every chunk: context length - context length / 2 - 1.
  expect(result.tokens).toBe(3 * 4);
});

test("perplexity puts the model's first token in the place of each chunk's first", async () => {
  const { engine, asked } = scorer(0.5);
  await perplexity(engine, { tokens: [1, 20, 21, 22, 23, 24, 25, 26], chunkLength: 4, bos: 1 });
  expect(asked.map(({ tokens }) => tokens)).toEqual([
    [1, 20, 21, 22],
    [1, 24, 25, 26],
  ]);
});

test("perplexity stops after the chunks that were asked for", async () => {
  const { engine, asked } = scorer(0.5);
  const tokens = Array.from({ length: 40 }, () => 7);
  await perplexity(engine, { tokens, chunkLength: 8, bos: undefined, chunks: 2 });
  expect(asked).toHaveLength(2);
});

test("perplexity refuses a text that is shorter than a chunk", async () => {
  const { engine } = scorer(0.5);
  await expect(
    perplexity(engine, { tokens: [1, 2, 3], chunkLength: 8, bos: 1 }),
  ).rejects.toMatchObject({
    code: "INVALID_REQUEST",
    message: expect.stringContaining("3 tokens, a chunk needs 8") as string,
  });
});
