import { createReferenceBackend } from "../../../backends/reference/backend.ts";
import { describeDemoGoldens, describeStoriesGoldens } from "../../conformance/goldens.ts";

const create = () => Promise.resolve(createReferenceBackend());

describeStoriesGoldens("reference", create, { logitTolerance: 1e-4, nllTolerance: 1e-6 });

// Goldens are rounded to five decimals, and were computed in float32.
describeDemoGoldens("reference", create, {
  file: "demo-model/sirocco-demo.f16.gguf",
  leastMargin: 0,
  logitTolerance: 1e-4,
});

// The twin with four experts, of which a token takes two; the kernels compute all of its cases.
describeDemoGoldens("reference", create, {
  file: "demo-model/sirocco-demo-moe.f16.gguf",
  goldens: "demo-model/goldens-moe.json",
  oneIn: 4,
  leastMargin: 0,
  logitTolerance: 1e-4,
});
