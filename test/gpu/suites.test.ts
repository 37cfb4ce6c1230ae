import { spawn } from "node:child_process";
import path from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { gpuEnvironment, type GpuDriver, LAVAPIPE_DRIVER, SWIFTSHADER_DRIVER } from "./drivers.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const VITEST = path.join(ROOT, "node_modules", "vitest", "vitest.mjs");
/** Software drivers compile a kernel in seconds, and two cores may be shared. */
const TIMEOUT_MS = 900_000;

/** Everything on every driver and without each feature takes half an hour: `SIROCCO_GPU=all`. */
const all = process.env["SIROCCO_GPU"] === "all";

/** Run suites (`*.gpu.ts`) in a process whose environment names the driver; what it printed, and its code. */
async function runSuites(
  driver: GpuDriver,
  suites: readonly string[],
  without = "",
): Promise<{ code: number | null; output: string }> {
  const args = ["run", "--config", "vitest.gpu.config.ts", "--no-color", ...suites];
  const child = spawn(process.execPath, [VITEST, ...args], {
    cwd: ROOT,
    env: { ...gpuEnvironment(driver), SIROCCO_GPU_WITHOUT: without },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: TIMEOUT_MS,
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  const [out, complaint, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code, output: `${out}\n${complaint}` };
}

async function expectPassed(...args: Parameters<typeof runSuites>): Promise<void> {
  const { code, output } = await runSuites(...args);
  expect(code, output).toBe(0);
  expect(output).toMatch(/Tests +[1-9]\d* passed/);
}

describe.skipIf(LAVAPIPE_DRIVER.missing)("the WebGPU backend on lavapipe", () => {
  test(
    "keeps the contract of backends and its promises about steps, faults and engines that break",
    { timeout: TIMEOUT_MS },
    () =>
      expectPassed(LAVAPIPE_DRIVER, [
        "conformance",
        "steps",
        "faults",
        "revival",
        "revival",
        "profile",
        "prefixes",
        "lora",
        "hand-over",
        "self-test",
        "choose",
      ]),
  );

  test.runIf(all)("computes the goldens", { timeout: TIMEOUT_MS }, () =>
    expectPassed(LAVAPIPE_DRIVER, ["goldens"]),
  );

  test.runIf(all).for(["shader-f16", "subgroups", "packed_4x8_integer_dot_product"])(
    "does without %s",
    { timeout: TIMEOUT_MS },
    (feature) => expectPassed(LAVAPIPE_DRIVER, ["conformance"], feature),
  );
});

describe.skipIf(SWIFTSHADER_DRIVER.missing)("the WebGPU backend on SwiftShader", () => {
  test("keeps its promises about steps", { timeout: TIMEOUT_MS }, () =>
    expectPassed(SWIFTSHADER_DRIVER, ["steps"]),
  );

  test.runIf(all)("keeps the contract of backends", { timeout: TIMEOUT_MS }, () =>
    expectPassed(SWIFTSHADER_DRIVER, ["conformance", "goldens"]),
  );
});
