import { defineConfig } from "vitest/config";

/** The suites that need a GPU, each in a process whose environment names the driver (test/gpu/drivers.ts). */
export default defineConfig({
  test: {
    include: ["test/gpu/*.gpu.ts"],
    testTimeout: 300_000,
    hookTimeout: 120_000,
    maxWorkers: 1,
  },
});
