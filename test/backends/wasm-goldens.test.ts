import { createWasmBackend } from "../../backends/wasm/backend.ts";
import { describeDemoGoldens, describeStoriesGoldens } from "../conformance/goldens.ts";
import { kernelModule, VARIANTS } from "../fixtures/kernels.ts";

for (const variant of VARIANTS) {
  const create = () => createWasmBackend({ module: kernelModule(variant), variant });

  describeStoriesGoldens(`wasm-${variant}`, create, { logitTolerance: 1e-4, nllTolerance: 1e-6 });

  // Weights in eight bits and activations in eight bits move a logit by some hundredths.
  describeDemoGoldens(`wasm-${variant}`, create, {
    file: "demo-model/sirocco-demo.q8_0.gguf",
    leastMargin: 0.1,
    logitTolerance: 0.35,
  });
}

// The twin with four experts, of which a token takes two; all builds give the same bits.
describeDemoGoldens(
  "wasm-simd128",
  () => createWasmBackend({ module: kernelModule("simd128"), variant: "simd128" }),
  {
    file: "demo-model/sirocco-demo-moe.f16.gguf",
    goldens: "demo-model/goldens-moe.json",
    leastMargin: 0,
    logitTolerance: 1e-4,
  },
);
