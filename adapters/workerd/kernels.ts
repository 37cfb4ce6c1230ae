// Compiling bytes is forbidden in workerd: the module has to be part of the worker. One build only, since
// workerd's clock stands still while it computes, so that a comparison would measure nothing. It is V8
// with relaxed SIMD everywhere.
import relaxed from "../../kernels-simd/wasm/relaxed.wasm";
import type { KernelBuild } from "../../backends/wasm/select.ts";

const build: KernelBuild = { variant: "relaxed", module: relaxed };

/** The kernels that are part of the worker. */
export function workerdKernels(): Promise<KernelBuild> {
  return Promise.resolve(build);
}
