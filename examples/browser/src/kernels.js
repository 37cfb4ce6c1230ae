// The kernels that wasm-pack has built, in the form in which the engine's worker wants them.
import { initSync, heapBase } from "kernels-pkg";
import { kernelsOf } from "../../../dist/backends/wasm/kernels.js";

export async function browserKernels() {
  const url = new URL("../kernels/target/pkg/index_bg.wasm", import.meta.url);
  return {
    variant: "simd128",
    module: await WebAssembly.compileStreaming(fetch(url)),
    async instantiate(module) {
      const exports = initSync({ module });
      return kernelsOf(exports, exports.memory, heapBase());
    },
  };
}
