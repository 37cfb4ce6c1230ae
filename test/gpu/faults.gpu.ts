import { describe, expect, test } from "vitest";
import { checkFit } from "../../core/model/fit.ts";
import { loadModel } from "../../core/model/load.ts";
import { workloadOf } from "../../core/model/workload.ts";
import { memoryModel } from "../fixtures/memory-model.ts";
import { createRunner, prefill } from "../fixtures/runner.ts";
import { createGpu, VARIANT } from "./backend.ts";

const MIB = 2 ** 20;

describe(`faults of ${VARIANT}`, () => {
  test("a device that is destroyed rejects what is under way and all that comes, and tells", async () => {
    const backend = await createGpu();
    const limits = { maxRows: 8, maxLogitRows: 1, blocks: 8, blockSize: 16 };
    const model = await loadModel(memoryModel(), backend, limits);
    const runner = createRunner(backend, model);
    await prefill(runner, model, [1, 2, 3]);
    const step = runner.step([{ sequence: 0, tokens: [4] }]);
    backend.opened.device.destroy();
    await expect(step).rejects.toThrow(Error);
    await backend.opened.device.lost;
    await expect(runner.step([{ sequence: 0, tokens: [5] }])).rejects.toThrow(/lost/);
    await expect(backend.loadWeight("late", "f32", [4, 4], async () => {})).rejects.toThrow(/lost/);
    expect(await backend.failed).toMatchObject({
      message: expect.stringMatching(/lost/) as string,
    });
    await backend.close();
  });

  test("a step that the device refuses is an error, never an answer", async () => {
    const backend = await createGpu();
    const { device } = backend.opened;
    const x = backend.alloc("x", [1, 4]);
    // As a defect of a driver or of ours would: a command that is not valid.
    device.createBuffer({ size: 4, usage: 0xffff });
    await device.queue.onSubmittedWorkDone();
    await expect(backend.read(x)).rejects.toThrow(/refused/);
    await backend.close();
  });

  test("memory is bounded: what does not fit is a RangeError with numbers, and the rest still works", async () => {
    const backend = await createGpu({ maxBytes: 24 * MIB });
    const shape = { kvHeads: 8, headDim: 128, type: "f32" } as const;
    expect(() => backend.allocKv("cache", 4096, shape)).toThrow(/33554432 bytes.*of 25165824/);
    expect(() => backend.alloc("wide", [4096, 4096])).toThrow(RangeError);
    const big = backend.loadWeight("big", "f32", [4096, 4096], async () => {});
    await expect(big).rejects.toThrow(RangeError);
    const x = backend.alloc("x", [1, 4]);
    backend.write(x, Float32Array.of(1, 2, 3, 4));
    await backend.run((ops) => ops.addTo(x, x));
    expect([...(await backend.read(x))]).toEqual([2, 4, 6, 8]);
    await backend.close();
  });

  test("what a model needs is known before it is loaded, and enough for loading and computing", async () => {
    const gguf = memoryModel({ vocabSize: 3000, dim: 256, hiddenDim: 512, matrices: "f32" });
    const limits = { maxRows: 8, maxLogitRows: 1, blocks: 8, blockSize: 16 };
    const workload = workloadOf(gguf, limits);
    const probe = await createGpu();
    const { weights, kv, activations } = probe.need(workload);
    await probe.close();
    const maxBytes = weights + kv + activations;
    // Arenas that grow as they like would have taken 16 MiB at once.
    expect(maxBytes).toBeLessThan(18 * MIB);
    const backend = await createGpu({ maxBytes, workload });
    const model = await loadModel(gguf, backend, limits);
    expect(await prefill(createRunner(backend, model), model, [1, 2, 3])).toHaveLength(3000);
    await backend.close();

    const bounded = await createGpu({ maxBytes: maxBytes - 1, workload });
    expect(() => checkFit(bounded, workload)).toThrow(/the webgpu backend may take 1\d MiB/);
    await bounded.close();
  });

  test("a weight larger than what can be bound is split by rows and computes the same", async () => {
    const [rows, columns] = [1000, 4];
    const weights = Float32Array.from({ length: rows * columns }, (_, i) => (i % 97) - 48);
    const bytes = new Uint8Array(weights.buffer);
    const backend = await createGpu({ arenaBytes: 4096 });
    const weight = await backend.loadWeight("split", "f32", [rows, columns], (at, into) => {
      into.set(bytes.subarray(at, at + into.length));
      return Promise.resolve();
    });
    const x = backend.alloc("x", [2, columns]);
    backend.write(x, Float32Array.of(1, 0, 0, 2, 0, 3, 0, 0));
    const [out, sum] = [backend.alloc("out", [2, rows]), backend.alloc("sum", [2, rows])];
    const some = backend.alloc("some", [3, columns]);
    await backend.run((ops) => {
      ops.matmul(x, [{ weight, out }]);
      ops.addTo(sum, out);
      ops.addTo(sum, out);
      ops.embed(some, weight, Uint32Array.of(999, 0, 500));
    });
    const expected = Float32Array.from({ length: 2 * rows }, (_, i) => {
      const [row, m] = [Math.floor(i / rows), i % rows];
      const at = m * columns;
      return row === 0 ? weights[at]! + 2 * weights[at + 3]! : 3 * weights[at + 1]!;
    });
    expect(await backend.read(out)).toEqual(expected);
    expect(await backend.read(sum)).toEqual(expected.map((value) => 2 * value));
    const copied = await backend.read(some);
    for (const [i, m] of [999, 0, 500].entries()) {
      expect(copied.subarray(4 * i, 4 * i + 4)).toEqual(weights.subarray(4 * m, 4 * m + 4));
    }
    await backend.close();
  });
});
