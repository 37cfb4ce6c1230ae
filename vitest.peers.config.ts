import { defineConfig } from "vitest/config";

/** Agreement with other runtimes on a real model: minutes, and a heavy install of its own, so apart from the other tests. */
export default defineConfig({
  test: {
    include: ["test/peers/*.peers.ts"],
    globalSetup: ["test/peers/setup.ts"],
    // A slow machine needs a minute for one perplexity.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    maxWorkers: 1,
  },
});
