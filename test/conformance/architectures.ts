import { describe, expect, test } from "vitest";
import { loadModel } from "../../core/model/load.ts";
import type { Backend } from "../../core/tensor/backend.ts";
import { createRunner, greedy, prefill } from "../fixtures/runner.ts";
import { goldenCases, goldenModel } from "../goldens/cases.ts";

/** Every architecture gives the logits and the tokens that PyTorch gives, for 64 tokens. */
export function describeArchitectures(
  name: string,
  create: () => Promise<Backend>,
  logitTolerance: number,
): void {
  describe(`architectures on ${name}`, () => {
    test.for([...goldenCases()])("$name is what PyTorch makes of it", async (golden) => {
      const backend = await create();
      // A prompt comes in chunks: what a window hides has to be hidden across them.
      const limits = { maxRows: 16, maxLogitRows: 1, blocks: 8, blockSize: 16 };
      const model = await loadModel(goldenModel(golden), backend, limits);
      const runner = createRunner(backend, model);
      const logits = await prefill(runner, model, golden.prompt);
      const errors = golden.logits.map((logit, i) => Math.abs(logit - logits[i]!));
      expect(Math.max(...errors)).toBeLessThanOrEqual(logitTolerance);
      expect(golden.margin).toBeGreaterThan(4 * logitTolerance);
      expect(await greedy(runner, model, logits, golden.greedy.length)).toEqual(golden.greedy);
      await backend.close();
    });
  });
}
