import { expect, test } from "vitest";
import { loadLocal, type LoadOptions } from "../../../adapters/node/load.ts";
import { startOn } from "../../../adapters/node/start-on.ts";
import { createWasmBackend } from "../../../backends/wasm/backend.ts";
import { compileFormat } from "../../../core/grammar/compile.ts";
import type { AnswerFormat } from "../../../core/grammar/format.ts";
import { tokenBytes } from "../../../core/grammar/token-bytes.ts";
import { GREEDY, type SamplingParams } from "../../../core/sampler/params.ts";
import { vocabularyDifference } from "../../../core/tokenizer/same-vocabulary.ts";
import { DEMO_FILE } from "../../fixtures/demo.ts";
import { kernelModule } from "../../fixtures/kernels.ts";
import { memoryModel } from "../../fixtures/memory-model.ts";
import { pieceTokenizer } from "../../fixtures/scripted-engine.ts";
import { shared } from "../../fixtures/shared.ts";

const SAMPLINGS: readonly SamplingParams[] = [
  GREEDY,
  { ...GREEDY, temperature: 0.8, topP: 0.95, seed: 7 },
  { ...GREEDY, temperature: 1.2, topK: 20, seed: 8 },
  { ...GREEDY, temperature: 0.7, seed: 9 },
];

/** The tokens of several answers that are given at the same time, and what was guessed. */
async function answers(more: Partial<LoadOptions>, format?: AnswerFormat) {
  const model = await loadLocal({
    model: DEMO_FILE,
    inProcess: true,
    threads: 1,
    contextSize: 256,
    ...more,
  });
  const prompt = [model.tokenizer.bos!, ...model.tokenizer.encode("Once upon a time, ")];
  const constraint = format && {
    grammar: compileFormat(format, "format"),
    vocabulary: tokenBytes(model.tokenizer),
    blank: true,
  };
  const tokens = await Promise.all(
    SAMPLINGS.map(async (sampling) => {
      const own: number[] = [];
      const request = {
        tokens: prompt,
        maxTokens: 60,
        sampling,
        stopTokens: [...model.tokenizer.stops],
        ...(constraint === undefined ? {} : { constraint }),
      };
      for await (const event of model.engine.generate(request)) {
        if (event.type === "token") own.push(event.token);
      }
      return own;
    }),
  );
  const stats = model.engine.stats();
  await model.close();
  return { tokens, stats };
}

test("answers of a real model are the same with a draft model, greedy and sampled, side by side", async () => {
  const plain = await answers({ speculate: false });
  // It is the model itself, so that it is right; whether that pays is another question.
  const drafted = await answers({ speculate: "model", draft: DEMO_FILE });
  expect(drafted.tokens).toEqual(plain.tokens);
  expect(drafted.stats.modelDraftedTokens).toBeGreaterThan(0);
  expect(drafted.stats.modelAcceptedTokens).toBe(drafted.stats.modelDraftedTokens);
});

test("JSON of a real model is the same with guesses of either kind", async () => {
  const items = { type: "object", properties: { name: { type: "string", maxLength: 9 } } };
  const format: AnswerFormat = {
    type: "json_schema",
    schema: { type: "array", items: { ...items, required: ["name"] }, minItems: 4 },
  };
  const plain = await answers({ speculate: false }, format);
  const looked = await answers({}, format);
  expect(looked.tokens).toEqual(plain.tokens);
  const drafted = await answers({ speculate: "model", draft: DEMO_FILE }, format);
  expect(drafted.tokens).toEqual(plain.tokens);
  expect(drafted.stats.modelDraftedTokens).toBeGreaterThan(0);
});

const other = shared("data/tokenizers/ggml-vocab/ggml-vocab-llama-spm.gguf");

test.skipIf(other === undefined)(
  `a draft model of another vocabulary is refused${other === undefined ? " (skipped: ../shared/data not present)" : ""}`,
  async () => {
    await expect(
      loadLocal({ model: DEMO_FILE, draft: other!, inProcess: true }),
    ).rejects.toMatchObject({
      code: "MODEL_UNSUPPORTED",
      message: expect.stringContaining("2048 tokens and 32000") as string,
    });
  },
);

test("an engine refuses a draft model with other numbers of tokens", async () => {
  const backend = await createWasmBackend({ module: kernelModule("simd128"), variant: "simd128" });
  const starting = startOn(backend, memoryModel({ vocabSize: 40 }), {
    room: { contextSize: 64, parallel: 1 },
    draft: memoryModel({ vocabSize: 41 }),
    started: 0,
    onProgress: undefined,
    signal: undefined,
  });
  await expect(starting).rejects.toMatchObject({
    code: "MODEL_UNSUPPORTED",
    message: expect.stringContaining("41 tokens") as string,
  });
});

/** A vocabulary of these pieces. */
const of = (...pieces: string[]) =>
  pieceTokenizer(pieces.map((piece) => new TextEncoder().encode(piece)));

test("vocabularyDifference names the first token that differs", () => {
  expect(vocabularyDifference(of("a", "b"), of("a", "b"))).toBeUndefined();
  expect(vocabularyDifference(of("a", "b"), of("a", "c"))).toBe('token 1 is "b" and "c"');
  expect(vocabularyDifference(of("a"), of("a", "b"))).toBe("1 tokens and 2");
});
