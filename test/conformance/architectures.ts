import { describe, expect, test } from "vitest";
import { loadModel } from "../../core/model/load.ts";
import type { Backend } from "../../core/tensor/backend.ts";
import { createRunner, greedy, prefill } from "../fixtures/runner.ts";
import { goldenModel, readGoldens } from "../goldens/cases.ts";

/** Every architecture gives the logits and the tokens that PyTorch gives, for 64 tokens. */
export function describeArchitectures(
  name: string,
  create: () => Promise<Backend>,
  logitTolerance: number,
): void {
  describe(`architectures on ${name}`, () => {
    const { cases, encoders } = readGoldens();

    test.for([...encoders])("$name is what PyTorch makes of it", async (golden) => {
      const backend = await create();
      const rows = golden.prompt.length;
      const limits = { maxRows: 32, maxLogitRows: 32, blocks: 8, blockSize: 16 };
      const model = await loadModel(goldenModel(golden), backend, limits);
      // Beside another text, whose tokens it must not see.
      const [, states] = await createRunner(backend, model, 2).step([
        { sequence: 1, tokens: [5, 6, 7] },
        { sequence: 0, tokens: golden.prompt, logits: golden.prompt.map((_, i) => i) },
      ]);
      const { dim } = model.config;
      const errors = golden.states.map((value, i) =>
        Math.abs(value - states![Math.floor(i / dim)]![i % dim]!),
      );
      expect(errors).toHaveLength(rows * dim);
      expect(Math.max(...errors)).toBeLessThanOrEqual(logitTolerance);
      await backend.close();
    });

    test.for([...cases])("$name is what PyTorch makes of it", async (golden) => {
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
