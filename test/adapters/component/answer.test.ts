import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { instantiate } from "sirocco/kernels";
import { expect, test } from "vitest";
import { loadAnswering } from "../../../adapters/component/answer.ts";
import type { Answering } from "../../../adapters/component/answer.ts";
import { demoModelPath } from "../../../adapters/node/package-root.ts";
import type { Kernel } from "../../../backends/wasm/kernels.ts";
import { createRemoteMachine } from "../../../backends/wasm/remote.ts";

const { resolve } = createRequire(import.meta.url);
const core = new WebAssembly.Module(readFileSync(resolve("sirocco/kernels.core.wasm")));
const CONTEXT = 256;
/** Layers of the demo model: each attends once a step. */
const LAYERS = 5;

/** The demo model, and how often a layer's attention has been computed. */
async function load(): Promise<{ answering: Answering; attentions: () => number }> {
  const { memory, kernels } = await Promise.resolve(instantiate(() => core, {}));
  const byName = kernels as unknown as Record<string, Kernel>;
  let count = 0;
  const counted: Kernel = (args, first, last) => {
    count++;
    byName["attentionF32"]!(args, first, last);
  };
  const machine = createRemoteMachine("counted", memory, { ...byName, attentionF32: counted });
  const answering = await loadAnswering(machine, readFileSync(demoModelPath()), CONTEXT);
  return { answering, attentions: () => count };
}

test("a token is computed when it is asked for, and not before", async () => {
  const { answering, attentions } = await load();
  answering.chat("What is quantization?");
  expect(await answering.next()).toBeDefined();
  for (let token = 2; token < 8; token++) {
    expect(await answering.next()).toBeDefined();
    // Let the engine run as far as it would.
    await new Promise((wait) => {
      setTimeout(wait, 20);
    });
    const steps = attentions() / LAYERS;
    expect(steps).toBeGreaterThanOrEqual(token);
    expect(steps).toBeLessThanOrEqual(token + 1);
  }
  await answering.close();
});

test("a new prompt ends the answer before, and the end is told again and again", async () => {
  const { answering } = await load();
  answering.chat("What is quantization?");
  const first = await answering.next();
  answering.chat("What is quantization?");
  expect(await answering.next()).toEqual(first);
  while ((await answering.next()) !== undefined);
  expect(await answering.next()).toBeUndefined();
  await answering.close();
});

test("asking for a token before a prompt says what to do", async () => {
  const { answering } = await load();
  await expect(answering.next()).rejects.toThrow(
    expect.objectContaining({ code: "NOT_READY", message: expect.stringContaining("prompt") }),
  );
  await answering.close();
});
