import { describe, expect, test } from "vitest";
import { GPU_DRIVERS, LAVAPIPE_DRIVER, runOnGpu, SWIFTSHADER_DRIVER } from "./drivers.ts";
import type { Probe } from "./probe.ts";

describe.for(GPU_DRIVERS)("the software GPU $name", (driver) => {
  test.skipIf(driver.missing)("computes, and offers the integer dot product", async () => {
    const probe = await runOnGpu<Probe>(driver, "probe.ts");
    expect(probe.sum).toBe(64 * 2 + (64 * 63) / 2);
    expect(probe.language).toContain("packed_4x8_integer_dot_product");
    expect(probe.features).toContain("subgroups");
    expect(probe.features).toContain("timestamp-query");
  });
});

test.skipIf(LAVAPIPE_DRIVER.missing)("lavapipe is a Mesa that has f16", async () => {
  const probe = await runOnGpu<Probe>(LAVAPIPE_DRIVER, "probe.ts");
  expect(probe.description).toMatch(/llvmpipe.*Mesa/);
  expect(probe.features).toContain("shader-f16");
});

test.skipIf(SWIFTSHADER_DRIVER.missing)("SwiftShader stands for a GPU without f16", async () => {
  const probe = await runOnGpu<Probe>(SWIFTSHADER_DRIVER, "probe.ts");
  expect(probe.description).toMatch(/SwiftShader/);
  expect(probe.features).not.toContain("shader-f16");
});
