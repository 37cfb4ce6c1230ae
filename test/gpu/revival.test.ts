import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { LAVAPIPE_DRIVER, runOnGpu } from "./drivers.ts";
import type { WorkerResult } from "./worker-case.ts";

/** Four engines are opened, three of them by compiling every kernel; two cores may be shared. */
const TIMEOUT_MS = 120_000;

test.skipIf(LAVAPIPE_DRIVER.missing)(
  "a model in a worker that loses its GPU goes on, the third time on the CPU",
  { timeout: TIMEOUT_MS },
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "sirocco-gpu-"));
    try {
      const model = join(folder, "model.gguf");
      const result = await runOnGpu<WorkerResult>(LAVAPIPE_DRIVER, "worker-case.ts", [model]);
      const { answers, backends, tookMs, ...rest } = result;
      expect(new Set(answers.map((tokens) => tokens.join())).size).toBe(1);
      expect(answers[0]).toHaveLength(40);
      expect(backends.slice(0, 3)).toEqual(["webgpu", "webgpu", "webgpu"]);
      expect(backends[3]).toMatch(/^wasm-/);
      expect(rest).toEqual({ degraded: true, moved: 3, lost: 3 });
      expect(tookMs).toHaveLength(3);
    } finally {
      await rm(folder, { recursive: true });
    }
  },
);
