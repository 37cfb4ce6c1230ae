import { defaultPreference } from "../../backends/webgpu/matmul.ts";
import { WEIGHT_TYPES, type WeightType } from "../../core/tensor/dtype.ts";
import { describeBackend } from "../conformance/backend.ts";
import { createGpu, VARIANT } from "./backend.ts";

// Where few rows and many have kernels of their own, the order of sums depends on how many there are.
const probe = await createGpu();
const { few, many } = defaultPreference(probe.opened.traits);
await probe.close();

describeBackend(VARIANT, () => createGpu(), {
  weightTypes: Object.keys(WEIGHT_TYPES) as WeightType[],
  tolerance: 2e-6,
  matmulTolerance: () => 1e-5,
  attentionTolerance: 1e-5,
  exact: true,
  exactProducts: few === many,
});
