/** A real model on a software GPU: the tokens of exact arithmetic, and hardly another perplexity than WebAssembly's. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { LAVAPIPE_DRIVER, runOnGpu } from "./drivers.ts";
import type { RealModelBackend, RealModelCase, RealModelResult } from "./smollm2-case.ts";

const MODEL = fileURLToPath(
  new URL("../../.cache/models/SmolLM2-135M-Instruct.Q4_1.gguf", import.meta.url),
);
const required = process.env["CI"] !== undefined && process.env["CI"] !== "";
const missing = LAVAPIPE_DRIVER.missing || (!existsSync(MODEL) && !required);

/** All questions and more text take minutes: `SIROCCO_GPU=all`. */
const all = process.env["SIROCCO_GPU"] === "all";
const TIMEOUT_MS = 900_000;

const QUESTIONS = [
  "What is gravity? Answer in one sentence.",
  "Write a short poem about the sea.",
  "Name three colours of the rainbow.",
  "What is 2 + 2?",
  "Why is the sky blue?",
  "Who wrote Hamlet?",
  "Explain photosynthesis to a child.",
  "List four countries in Africa.",
  "Translate 'good morning' into French.",
  "How do I boil an egg?",
] as const;
const TOKENS = 32;

/** Sums in another order: a near tie may fall the other way in one answer of ten, and perplexity hardly moves. */
const MOST_DIFFERENT = 0.1;
const EXACT_PERPLEXITY = 1e-4;
/** WebAssembly rounds activations to bytes, which is worth some thousandths. */
const WASM_PERPLEXITY = 5e-3;

describe.skipIf(missing)("SmolLM2-135M on lavapipe (skips without the model)", () => {
  test(
    "says what exact arithmetic says, and predicts a text as well as WebAssembly",
    { timeout: TIMEOUT_MS },
    async () => {
      const task: RealModelCase = {
        model: MODEL,
        questions: all ? QUESTIONS : QUESTIONS.slice(0, 2),
        tokens: TOKENS,
        chunks: all ? 4 : 2,
        chunkLength: 256,
      };
      const results = await runOnGpu<Record<RealModelBackend, RealModelResult>>(
        LAVAPIPE_DRIVER,
        "smollm2-case.ts",
        task,
        undefined,
        TIMEOUT_MS,
      );
      const { webgpu, exact, wasm } = results;
      expect(exact.answers.map((answer) => answer.length)).toEqual(
        task.questions.map(() => TOKENS),
      );
      const different = webgpu.answers.filter((answer, i) => {
        return answer.join() !== exact.answers[i]!.join();
      });
      const tolerated = Math.floor(MOST_DIFFERENT * task.questions.length);
      expect(different.length, JSON.stringify(results)).toBeLessThanOrEqual(tolerated);
      expect(webgpu.judged).toBe(task.chunks * (task.chunkLength / 2 - 1));
      expect(Math.abs(webgpu.perplexity / exact.perplexity - 1)).toBeLessThan(EXACT_PERPLEXITY);
      expect(Math.abs(webgpu.perplexity / wasm.perplexity - 1)).toBeLessThan(WASM_PERPLEXITY);
    },
  );
});
