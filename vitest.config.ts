import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/runtimes/setup.mjs"],
    testTimeout: 60_000,
    // Two cores: more workers than that only slow each other down.
    maxWorkers: 2,
  },
});
