import { describe, expect, test } from "vitest";
import { WEIGHT_TYPES } from "../../core/tensor/dtype.ts";
import type { WeightType } from "../../core/tensor/dtype.ts";
import { GPU_DRIVERS, LAVAPIPE_DRIVER, runOnGpu } from "./drivers.ts";
import type { MatmulFinding, MatmulTask } from "./matmul.ts";

/** Largest difference from the oracle as a fraction of Σ |terms|. */
const F32_ERROR = 1e-5;
const F16_ERROR = 2e-3;

const TYPES = Object.keys(WEIGHT_TYPES) as WeightType[];
const FEATURES = ["shader-f16", "subgroups", "packed_4x8_integer_dot_product"];
/** Minutes: every variant of every type with every epilogue, and each feature off for every type. */
const FULL = process.env["SIROCCO_GPU_FULL"] === "1";
/** Drivers compile for the CPU, a core apiece. */
const TIMEOUT_MS = FULL ? 3_600_000 : 300_000;

function expectExact(findings: readonly MatmulFinding[]): void {
  for (const { what, variant, error } of findings) {
    // A result that is no number makes the error NaN, which is not below anything.
    expect(error, what).toBeLessThan(variant === "tile-f16" ? F16_ERROR : F32_ERROR);
  }
}

describe.for(GPU_DRIVERS)("matrix kernels on $name", (driver) => {
  const run = (task: MatmulTask): Promise<MatmulFinding[]> =>
    runOnGpu(driver, "matmul.ts", task, undefined, TIMEOUT_MS);

  test.skipIf(driver.missing)(
    "compute products of every weight type",
    { timeout: TIMEOUT_MS },
    async () => {
      const task: MatmulTask = { types: TYPES, without: [], seed: 1, extent: FULL ? "all" : "one" };
      const findings = await run(task);
      expect(new Set(findings.map(({ what }) => what.split(" ")[0]))).toEqual(new Set(TYPES));
      expectExact(findings);
    },
  );

  // One driver of the two has all features; the other lacks f16 as it is.
  test.skipIf(driver.missing || (!FULL && driver !== LAVAPIPE_DRIVER))(
    "compute them in every variant",
    { timeout: TIMEOUT_MS },
    async () => {
      expectExact(await run({ types: ["q4_1"], without: [], seed: 2, extent: "each" }));
    },
  );

  test.skipIf(driver.missing).for(FEATURES)(
    "compute them without %s",
    { timeout: TIMEOUT_MS },
    async (feature) => {
      const types: readonly WeightType[] = FULL ? TYPES : ["q4_0"];
      const findings = await run({ types, without: [feature], seed: 3, extent: "one" });
      expectExact(findings);
    },
  );
});
