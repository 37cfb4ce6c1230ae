import { describe, expect, test } from "vitest";
import { findFault } from "../../backends/self-test/self-test.ts";
import { createMatmulKernels } from "../../backends/webgpu/matmul.ts";
import type { MatmulKernels } from "../../backends/webgpu/spec.ts";
import { workloadOf } from "../../core/model/workload.ts";
import { goldenModel, readGoldens } from "../goldens/cases.ts";
import { memoryModel } from "../fixtures/memory-model.ts";
import { createGpu, VARIANT } from "./backend.ts";

const LIMITS = { maxRows: 16, maxLogitRows: 2, blocks: 8, blockSize: 16 };
const { operations } = workloadOf(memoryModel({ matrices: "q4_0", vectors: "f32" }), LIMITS);

describe(`findFault on ${VARIANT}`, () => {
  test("finds nothing wrong with a device that works", async () => {
    const backend = await createGpu();
    expect(await findFault(backend, operations)).toBeUndefined();
    const { weights, kv, activations } = backend.memory();
    expect(weights + kv + activations).toBeLessThan(2 ** 20);
    await backend.close();
  });

  const { cases, encoders } = readGoldens();
  test.runIf(process.env["SIROCCO_GPU"] === "all").for([...cases, ...encoders])(
    "finds nothing wrong for $name",
    async (golden) => {
      const backend = await createGpu();
      const kinds = workloadOf(goldenModel(golden), LIMITS).operations;
      expect(await findFault(backend, kinds)).toBeUndefined();
      await backend.close();
    },
  );

  test("names the kernel that a driver compiles wrongly", async () => {
    const probe = await createGpu();
    const sound = createMatmulKernels(probe.opened.traits);
    await probe.close();
    // Only products that are gated, and only of many rows: silu(gate) is left out.
    const matmul: MatmulKernels = {
      scratchWords: () => 0,
      plan: (request) =>
        request.epilogue.type === "gate" && request.n > 8
          ? sound.plan({
              ...request,
              products: request.products.slice(0, 1),
              epilogue: { type: "store" },
            })
          : sound.plan(request),
    };
    const backend = await createGpu({ matmul });
    expect(await findFault(backend, operations)).toMatch(/^gatedMatmul q4_0 of 33 rows is off by/);
    await backend.close();
  });

  test("tells what a compiler complains of", async () => {
    const probe = await createGpu();
    const sound = createMatmulKernels(probe.opened.traits);
    await probe.close();
    const matmul: MatmulKernels = {
      scratchWords: () => 0,
      plan(request) {
        const [dispatch] = sound.plan(request);
        const kernel = { ...dispatch!.kernel, wgsl: "fn main() { nonsense }" };
        return [{ ...dispatch!, kernel }];
      },
    };
    const backend = await createGpu({ matmul });
    expect(await findFault(backend, operations)).toMatch(/nonsense|ShaderModule/);
    await backend.close();
  });
});
