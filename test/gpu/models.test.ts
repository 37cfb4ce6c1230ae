import { describe, expect, test } from "vitest";
import { BUN, DENO, isMissing } from "../fixtures/runtimes.ts";
import { GPU_DRIVERS, LAVAPIPE_DRIVER, runOnGpu } from "./drivers.ts";
import type { ModelResult } from "./model-case.ts";
import { type ModelCase, TOLERANCE } from "./tiny-model.ts";

const CASES: readonly ModelCase[] = [
  { matrices: "f32", kvType: "f32" },
  { matrices: "q4_0", kvType: "f16" },
  { matrices: "q6_k", kvType: "q8_0" },
];

/** A process, its driver's compiler and the reference; two cores may be shared. */
const TIMEOUT_MS = 120_000;

const RUNTIMES = [
  { name: "Node", command: [process.execPath], missing: false },
  { name: "Bun", command: [BUN], missing: isMissing(BUN) },
  { name: "Deno", command: [DENO, "run", "--allow-all"], missing: isMissing(DENO) },
] as const;

/** SwiftShader's compiler takes ten times as long: there all runtimes and cases only with `SIROCCO_GPU=all`. */
const all = process.env["SIROCCO_GPU"] === "all";

for (const driver of GPU_DRIVERS) {
  const full = all || driver === LAVAPIPE_DRIVER;
  const cases = full ? CASES : CASES.slice(1, 2);
  describe(`models on the software GPU ${driver.name}`, () => {
    for (const { name, command, missing } of full ? RUNTIMES : RUNTIMES.slice(0, 1)) {
      const skipped = driver.missing || missing;
      test.skipIf(skipped)(
        `have the logits of the reference in ${name}`,
        { timeout: TIMEOUT_MS },
        async () => {
          const results = await runOnGpu<ModelResult[]>(driver, "model-case.ts", cases, command);
          expect(results).toHaveLength(cases.length);
          for (const { matrices, kvType, worst } of results) {
            expect(worst, `${matrices}, cache ${kvType}`).toBeLessThanOrEqual(TOLERANCE[kvType]);
          }
        },
      );
    }
  });
}
