import { WEIGHT_TYPES } from "../../core/tensor/dtype.ts";
import type { WeightType } from "../../core/tensor/dtype.ts";
import { describeBackend } from "../conformance/backend.ts";
import { VARIANTS, wasmBackend } from "../fixtures/kernels.ts";

const cases = [
  ...VARIANTS.map((variant) => ({ variant, threads: 1 })),
  { variant: "relaxed", threads: 2 },
  { variant: "simd128", threads: 3 },
] as const;

for (const { variant, threads } of cases) {
  describeBackend(
    `wasm-${variant} on ${threads} ${threads === 1 ? "thread" : "threads"}`,
    () => wasmBackend(variant, threads),
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
