import { describeBackend } from "../conformance/backend.ts";
import { WASM_PROMISES } from "../conformance/promises.ts";
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
    WASM_PROMISES,
  );
}
