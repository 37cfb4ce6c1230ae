import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebGpuBackend } from "../../backends/webgpu/backend.ts";
import type { Counters } from "../../backends/webgpu/counters.ts";
import { type Feature, openDevice } from "../../backends/webgpu/device.ts";
import type { KernelProfile, Profile } from "../../backends/webgpu/profile.ts";
import { loadModel } from "../../core/model/load.ts";
import type { Model } from "../../core/model/model.ts";
import { weightBytes } from "../../core/model/tensors.ts";
import { byteLength } from "../../core/tensor/dtype.ts";
import type { Tensor } from "../../core/tensor/tensor.ts";
import { memoryModel } from "../fixtures/memory-model.ts";
import { createRunner, prefill, type Runner } from "../fixtures/runner.ts";
import { openGpu } from "./adapter.ts";
import { createGpu, VARIANT, WITHOUT } from "./backend.ts";

const LAYERS = 2;
const SHAPE = { dim: 64, hiddenDim: 96, heads: 4, kvHeads: 2, headDim: 16, vocabSize: 300 };
const LIMITS = { maxRows: 16, maxLogitRows: 1, blocks: 4, blockSize: 16 };
const PROMPT = [1, 2, 3, 4, 5, 6, 7, 8, 9];

/** Keys and values of all layers, f32, that a position has. */
const POSITION_BYTES = LAYERS * 2 * SHAPE.kvHeads * SHAPE.headDim * 4;

const gguf = memoryModel({ ...SHAPE, layers: LAYERS, matrices: "q8_0", tied: true });

interface Profiled {
  readonly backend: WebGpuBackend;
  readonly model: Model;
  readonly runner: Runner;
}

async function open(without: readonly Feature[] = []): Promise<Profiled> {
  const opened = await openDevice(await openGpu(), { without: [...WITHOUT, ...without] });
  const backend = new WebGpuBackend(opened!, { profile: true });
  const model = await loadModel(gguf, backend, LIMITS);
  return { backend, model, runner: createRunner(backend, model) };
}

function sum(profile: Profile, of: (kernel: KernelProfile) => number): number {
  return profile.kernels.reduce((total, kernel) => total + of(kernel), 0);
}

describe(`a profile of ${VARIANT}`, () => {
  let on: Profiled;
  beforeAll(async () => {
    on = await open();
  });
  afterAll(() => on.backend.close());

  test("has every dispatch and byte that the backend counts, by kernel and sizes", async () => {
    const { backend, model, runner } = on;
    await prefill(runner, model, PROMPT);
    await backend.takeProfile();
    const before = backend.counters();
    const steps = 3;
    for (let i = 0; i < steps; i++) await prefill(runner, model, [i]);
    const profile = await backend.takeProfile();
    const counted = (name: keyof Counters): number => backend.counters()[name] - before[name];
    expect(profile.steps).toBe(steps);
    expect(sum(profile, (kernel) => kernel.dispatches)).toBe(counted("dispatches"));
    expect(sum(profile, (kernel) => kernel.weightBytes)).toBe(counted("weightBytes"));
    // What attention reads is counted, and each step stores a position.
    expect(sum(profile, (kernel) => kernel.cacheBytes)).toBe(
      counted("cacheBytes") + steps * POSITION_BYTES,
    );
    // One row has nothing to read twice, and the floor is what the file has for a token.
    const least = sum(profile, (kernel) => kernel.leastWeightBytes);
    expect(least).toBe(sum(profile, (kernel) => kernel.weightBytes));
    const embedded = byteLength("q8_0", SHAPE.dim); // of a table that is the head, too
    expect(least).toBe(steps * (weightBytes(gguf).perToken + embedded));
    const down = profile.kernels.find(({ shape }) => shape === "64 × 96");
    expect(down?.dispatches).toBe(steps * LAYERS);
  });

  test("tells what many rows read more than once", async () => {
    const { backend, model, runner } = on;
    runner.reset(0);
    await backend.takeProfile();
    await prefill(runner, model, PROMPT);
    const profile = await backend.takeProfile();
    for (const { kernel, shape, weightBytes: read, leastWeightBytes: least } of profile.kernels) {
      if (!shape.startsWith("300"))
        expect(read, `${kernel} ${shape}`).toBeGreaterThanOrEqual(least);
    }
    const norms = profile.kernels.find(({ kernel }) => kernel === "rms-norm")!;
    // Those of the layers have all rows, the last one has the row whose logits are wanted.
    expect(norms.weightBytes).toBe(4 * SHAPE.dim * (2 * LAYERS * PROMPT.length + 1));
    expect(norms.leastWeightBytes).toBe(4 * SHAPE.dim * (2 * LAYERS + 1));
  });

  test("has times within that of the whole, for the question about logits, too", async () => {
    const { backend, model } = on;
    const batch = {
      positions: Uint32Array.of(0),
      slots: Uint32Array.of(0),
      starts: Uint32Array.of(0, 1),
      blocks: Uint32Array.of(0, 1, 2, 3),
      blockSize: 16,
      tokens: Uint32Array.of(3),
      logitRows: Uint32Array.of(0),
    };
    const step = async (): Promise<void> => {
      let logits = undefined as Tensor | undefined;
      model.prepare(batch);
      await backend.run((ops) => {
        logits = model.forward(ops, batch);
      });
      await backend.reduce(logits!, [{ row: 0, k: 3, mass: true }]);
    };
    await step();
    await backend.takeProfile();
    const start = performance.now();
    for (let i = 0; i < 10; i++) await step();
    const profile = await backend.takeProfile();
    const wall = 1e6 * (performance.now() - start);
    expect(profile.clockNs).toBeGreaterThanOrEqual(1);
    const whole = sum(profile, ({ ns }) => ns!);
    expect(whole).toBeGreaterThan(0);
    // Two clocks, one of which may be read in steps of 2^16 ns.
    expect(whole).toBeLessThan(wall + profile.clockNs! * 2 * sum(profile, (k) => k.dispatches));
    const kernels = profile.kernels.map(({ kernel }) => kernel);
    expect(kernels).toEqual(
      expect.arrayContaining(["embed", "attention", "logits-maxima", "logits-draw"]),
    );
  });

  test("changes no bit of an answer", async () => {
    const plain = await createGpu();
    const model = await loadModel(gguf, plain, LIMITS);
    const expected = await prefill(createRunner(plain, model), model, PROMPT);
    on.runner.reset(0);
    expect(await prefill(on.runner, on.model, PROMPT)).toEqual(expected);
    await expect(plain.takeProfile()).rejects.toThrow(TypeError);
    await plain.close();
  });

  test("has all but times where the device takes no timestamps", async () => {
    const { backend, model, runner } = await open(["timestamp-query"]);
    await prefill(runner, model, PROMPT);
    const { steps, clockNs, kernels } = await backend.takeProfile();
    expect({ steps, clockNs }).toEqual({ steps: 1, clockNs: null });
    expect(kernels.map(({ ns }) => ns)).toEqual(kernels.map(() => null));
    expect(kernels.length).toBeGreaterThan(5);
    await backend.close();
  });
});
