import { WEIGHT_TYPES, type WeightType } from "../../core/tensor/dtype.ts";
import { describeBackend } from "../conformance/backend.ts";
import { createGpu, VARIANT } from "./backend.ts";

describeBackend(VARIANT, () => createGpu(), {
  weightTypes: Object.keys(WEIGHT_TYPES) as WeightType[],
  tolerance: 2e-6,
  matmulTolerance: () => 1e-5,
  attentionTolerance: 1e-5,
  exact: true,
});
