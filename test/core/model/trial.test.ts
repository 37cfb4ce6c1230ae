import { expect, test } from "vitest";
import { createReferenceBackend } from "../../../backends/reference/backend.ts";
import { findFault } from "../../../backends/self-test/self-test.ts";
import { loadModel } from "../../../core/model/load.ts";
import { tryModel } from "../../../core/model/trial.ts";
import { workloadOf } from "../../../core/model/workload.ts";
import type { Backend } from "../../../core/tensor/backend.ts";
import { relativeError } from "../../conformance/backend/tensors.ts";
import { wasmBackend } from "../../fixtures/kernels.ts";
import { goldenModel, readGoldens } from "../../goldens/cases.ts";
import { memoryModel } from "../../fixtures/memory-model.ts";
import { createRunner, prefill } from "../../fixtures/runner.ts";

/** A backend by whose clock a product takes a millisecond for each row, and the clock. */
function clocked(): { readonly backend: Backend; readonly now: () => number } {
  const sound = createReferenceBackend();
  let time = 0;
  const backend: Backend = {
    ...sound,
    run: (record) =>
      sound.run((ops) =>
        record({
          ...ops,
          matmul(x, products) {
            time += x.shape[0]!;
            ops.matmul(x, products);
          },
        }),
      ),
  };
  return { backend, now: () => time };
}

test("tryModel tells how long a whole model takes by its first layers", async () => {
  const { backend, now } = clocked();
  const read: string[] = [];
  const gguf = memoryModel({ layers: 9 });
  const watched = {
    ...gguf,
    read: (...args: Parameters<typeof gguf.read>) => {
      read.push(args[0].name);
      return gguf.read(...args);
    },
  };
  const { promptMs, stepMs } = await tryModel(watched, backend, { kvType: "f32", now });
  // Three products that are not gated a layer, and the head, which a prompt wants for one row of 32.
  expect(stepMs).toBe(9 * 3 + 1);
  expect(promptMs).toBeCloseTo(9 * 3 + 1 / 32, 10);
  expect(read.filter((name) => /^blk\.[3-9]/.test(name))).toEqual([]);
});

test("tryModel measures a model of few layers as it is", async () => {
  const { backend, now } = clocked();
  const { stepMs } = await tryModel(memoryModel({ layers: 2 }), backend, { kvType: "f32", now });
  expect(stepMs).toBe(2 * 3 + 1);
});

test("tryModel's logits are those of the same tokens on every backend", async () => {
  const gguf = memoryModel({ layers: 3, matrices: "f32" });
  const options = { kvType: "f16", now: () => performance.now() } as const;
  const reference = createReferenceBackend();
  const expected = await tryModel(gguf, reference, options);
  const wasm = await wasmBackend("simd128");
  const { logits } = await tryModel(gguf, wasm, options);
  expect(relativeError(logits, expected.logits)).toBeLessThan(1e-3);

  const plain = createReferenceBackend();
  const limits = { maxRows: 64, maxLogitRows: 1, blocks: 4, blockSize: 16, kvType: "f16" } as const;
  const model = await loadModel(gguf, plain, limits);
  const tokens = Array.from({ length: 33 }, (_, i) => (7919 * (i + 1)) % 50);
  const whole = await prefill(createRunner(plain, model), model, tokens);
  expect(relativeError(expected.logits, whole)).toBeLessThan(1e-6);
  await wasm.close();
});

const { cases, encoders } = readGoldens();
test.for([...cases, ...encoders])("$name can be tested and tried", async (golden) => {
  const gguf = goldenModel(golden);
  const options = { kvType: "f32", now: () => performance.now() } as const;
  const limits = { maxRows: 32, maxLogitRows: 1, blocks: 8, blockSize: 16 } as const;
  const wasm = await wasmBackend("simd128");
  expect(await findFault(wasm, workloadOf(gguf, limits).operations)).toBeUndefined();
  const { promptMs, stepMs, logits } = await tryModel(gguf, wasm, options);
  await wasm.close();
  const expected = await tryModel(gguf, createReferenceBackend(), options);
  expect(relativeError(logits, expected.logits)).toBeLessThan(0.1);
  expect(Math.min(promptMs, stepMs)).toBeGreaterThan(0);
});
