import { createReferenceBackend } from "../../backends/reference/backend.ts";
import { WEIGHT_TYPES } from "../../core/tensor/dtype.ts";
import type { WeightType } from "../../core/tensor/dtype.ts";
import { describeBackend } from "../conformance/backend.ts";

describeBackend("reference", () => Promise.resolve(createReferenceBackend()), {
  weightTypes: Object.keys(WEIGHT_TYPES) as WeightType[],
  tolerance: 1e-6,
  matmulTolerance: () => 1e-6,
  attentionTolerance: 1e-6,
  exact: true,
});
