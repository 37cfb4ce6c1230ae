import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

interface EmbedModule {
  readonly embedKernels: () => string;
}

test("the kernels that travel with the backend are those of kernels-wgsl", async () => {
  const script = new URL("../../scripts/embed-wgsl.mjs", import.meta.url).href;
  const { embedKernels } = (await import(script)) as EmbedModule;
  const generated = new URL("../../backends/webgpu/generated.ts", import.meta.url);
  expect(readFileSync(generated, "utf8"), "run: node scripts/embed-wgsl.mjs").toBe(embedKernels());
});
