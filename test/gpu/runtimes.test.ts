/** The contract of backends on the GPU of runtimes other than Node: Bun and Deno, and Chromium with its own driver. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { chromium } from "playwright-core";
import { beforeAll, describe, expect, test } from "vitest";
import { BUN, CHROMIUM, DENO, isMissing } from "../fixtures/runtimes.ts";
import { BUNDLES, bundle } from "../runtimes/bundle.ts";
import { serveFiles } from "../runtimes/serve-files.ts";
import { LAVAPIPE_DRIVER, runOnGpu } from "./drivers.ts";
import type { GpuSuiteResult, GpuSuiteTask } from "./suite.ts";
import { TOLERANCE } from "./tiny-model.ts";

/** Two cores may be shared, and drivers compile for the CPU. */
const TIMEOUT_MS = 600_000;
/** Every part, every type, on every driver: `SIROCCO_GPU=all`. */
const all = process.env["SIROCCO_GPU"] === "all";

/** Small: the rest of the contract is kept on Node, and what differs here is the compiler and the binding. */
const TASK: GpuSuiteTask = {
  ...(all
    ? {}
    : { parts: ["memory", "weight", "matmul", "elementwise", "kv"], types: ["f32", "q4_0"] }),
  models: [
    { matrices: "q4_0", kvType: "f16" },
    { matrices: "q6_k", kvType: "q8_0" },
  ],
};

function expectKept({ passed, errors }: GpuSuiteResult): void {
  expect(Number.parseInt(passed, 10)).toBeGreaterThan(40);
  expect(errors).toHaveLength(TASK.models.length);
  for (const [i, error] of errors.entries()) {
    const { matrices, kvType } = TASK.models[i]!;
    expect(error, `${matrices}, cache ${kvType}`).toBeLessThanOrEqual(TOLERANCE[kvType]);
  }
}

const RUNTIMES = [
  { name: "Bun", command: [BUN], subgroups: true },
  // wgpu offers none to Deno: other kernels, through another compiler.
  { name: "Deno", command: [DENO, "run", "--allow-all"], subgroups: false },
] as const;

describe.for(RUNTIMES)("WebGPU in $name on lavapipe", ({ command, subgroups }) => {
  const missing = LAVAPIPE_DRIVER.missing || isMissing(command[0]);
  let script = "";
  beforeAll(async () => {
    script = path.relative(import.meta.dirname, await bundle("test/gpu/suite-main.ts", "script"));
  });

  test.skipIf(missing)("keeps the contract of backends", { timeout: TIMEOUT_MS }, async () => {
    const result = await runOnGpu<GpuSuiteResult>(
      LAVAPIPE_DRIVER,
      script,
      TASK,
      command,
      TIMEOUT_MS,
    );
    expect(result.subgroups).toBe(subgroups);
    expectKept(result);
  });
});

test.skipIf(isMissing(CHROMIUM))(
  "WebGPU in Chromium keeps the contract of backends",
  { timeout: TIMEOUT_MS },
  async () => {
    await bundle("test/gpu/suite-page.ts", "page");
    const server = await serveFiles((name) =>
      name === "/suite-page.js"
        ? { file: path.join(BUNDLES, "page", "suite-page.js") }
        : { text: `<script type="module" src="suite-page.js"></script>` },
    );
    const profile = mkdtempSync(path.join(tmpdir(), "sirocco-gpu-"));
    const browser = await chromium.launchPersistentContext(profile, {
      executablePath: CHROMIUM,
      args: ["--no-sandbox", "--enable-unsafe-webgpu"],
    });
    try {
      const page = await browser.newPage();
      await page.goto(`${server.base}/page.html`);
      await page.waitForFunction("'run' in globalThis");
      const result = await page.evaluate<GpuSuiteResult>(`run(${JSON.stringify(TASK)})`);
      expect(result.adapter).toMatch(/swiftshader/i);
      expectKept(result);
    } finally {
      await browser.close();
      await server.close();
      rmSync(profile, { recursive: true, force: true });
    }
  },
);
