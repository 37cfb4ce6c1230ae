import { WEIGHT_TYPES } from "../../core/tensor/dtype.ts";
import type { WeightType } from "../../core/tensor/dtype.ts";
import type { BackendSuiteOptions } from "./backend.ts";

/** What every build of the kernels promises, in every runtime. */
export const WASM_PROMISES: BackendSuiteOptions = {
  weightTypes: Object.keys(WEIGHT_TYPES) as WeightType[],
  tolerance: 2e-6,
  // Eight-bit activations, in steps of max/127 of their block: 0.4 % in the mean, and the suite's
  // narrowest output is one number, whose error reaches five times that.
  matmulTolerance: (type) => (["f32", "f16", "bf16"].includes(type) ? 2e-6 : 2.5e-2),
  attentionTolerance: 2e-6,
  exact: true,
};

/** What the readable reference promises. */
export const REFERENCE_PROMISES: BackendSuiteOptions = {
  weightTypes: Object.keys(WEIGHT_TYPES) as WeightType[],
  tolerance: 1e-6,
  matmulTolerance: () => 1e-6,
  attentionTolerance: 1e-6,
  exact: true,
};

/** What a GPU promises beside its own order of sums. */
export const GPU_PROMISES: BackendSuiteOptions = {
  weightTypes: Object.keys(WEIGHT_TYPES) as WeightType[],
  tolerance: 2e-6,
  matmulTolerance: () => 1e-5,
  attentionTolerance: 1e-5,
  exact: true,
};
