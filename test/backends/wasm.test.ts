import { describeBackend } from "../conformance/backend.ts";
import { WASM_PROMISES } from "../conformance/promises.ts";
import { VARIANTS, wasmBackend } from "../fixtures/kernels.ts";

const cases = [
  ...VARIANTS.map((variant) => ({ variant, threads: 1, memories: 1 })),
  { variant: "relaxed", threads: 2, memories: 1 },
  { variant: "simd128", threads: 3, memories: 3 },
] as const;

for (const { variant, threads, memories } of cases) {
  const where = memories === 1 ? "" : ` over ${memories} memories`;
  describeBackend(
    `wasm-${variant} on ${threads} ${threads === 1 ? "thread" : "threads"}${where}`,
    () => wasmBackend(variant, threads, memories),
    WASM_PROMISES,
  );
}
