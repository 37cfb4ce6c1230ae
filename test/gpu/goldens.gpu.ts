import { describeDemoGoldens, describeStoriesGoldens } from "../conformance/goldens.ts";
import { describeArchitectures } from "../conformance/architectures.ts";
import { createGpu, VARIANT } from "./backend.ts";

describeStoriesGoldens(VARIANT, () => createGpu(), { logitTolerance: 1e-4, nllTolerance: 1e-6 });

// The goldens were computed from these weights; f32 sums in another order move no token.
describeDemoGoldens(VARIANT, () => createGpu(), {
  file: "demo-model/sirocco-demo.f16.gguf",
  leastMargin: 1e-3,
  logitTolerance: 1e-3,
});

// The twin with four experts, of which a token takes two.
describeDemoGoldens(VARIANT, () => createGpu(), {
  file: "demo-model/sirocco-demo-moe.f16.gguf",
  goldens: "demo-model/goldens-moe.json",
  leastMargin: 1e-3,
  logitTolerance: 1e-3,
});

describeArchitectures(VARIANT, () => createGpu(), 2e-4);
