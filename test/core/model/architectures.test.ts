import { createReferenceBackend } from "../../../backends/reference/backend.ts";
import { describeArchitectures } from "../../conformance/architectures.ts";
import { VARIANTS, wasmBackend } from "../../fixtures/kernels.ts";

describeArchitectures("reference", () => Promise.resolve(createReferenceBackend()), 1e-4);
for (const variant of VARIANTS) {
  describeArchitectures(`wasm-${variant}`, () => wasmBackend(variant), 1e-4);
}
