import { createWasmBackend } from "../../backends/wasm/backend.ts";
import { WEIGHT_TYPES } from "../../core/tensor/dtype.ts";
import type { WeightType } from "../../core/tensor/dtype.ts";
import { describeBackend } from "../conformance/backend.ts";
import { kernelModule, VARIANTS } from "../fixtures/kernels.ts";

for (const variant of VARIANTS) {
  describeBackend(
    `wasm-${variant}`,
    () => createWasmBackend({ module: kernelModule(variant), variant }),
    {
      weightTypes: Object.keys(WEIGHT_TYPES) as WeightType[],
      tolerance: 2e-6,
      // Eight-bit activations, in steps of max/127 of their block: 0.4 % in the mean, and the suite's
      // narrowest output is one number, whose error reaches five times that.
      matmulTolerance: (type) => (["f32", "f16", "bf16"].includes(type) ? 2e-6 : 2.5e-2),
      attentionTolerance: 2e-6,
      exact: true,
    },
  );
}
