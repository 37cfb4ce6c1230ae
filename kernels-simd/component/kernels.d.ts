// world sirocco:kernels/simd@0.1.0
import type * as SiroccoKernelsMemory from './interfaces/sirocco-kernels-memory.js'; // sirocco:kernels/memory@0.1.0
import type * as SiroccoKernelsKernels from './interfaces/sirocco-kernels-kernels.js'; // sirocco:kernels/kernels@0.1.0
export interface ImportObject {
}
export interface Simd {
  'sirocco:kernels/memory@0.1.0': typeof SiroccoKernelsMemory,
  memory: typeof SiroccoKernelsMemory,
  'sirocco:kernels/kernels@0.1.0': typeof SiroccoKernelsKernels,
  kernels: typeof SiroccoKernelsKernels,
}

/**
* Instantiates this component with the provided imports and
* returns a map of all the exports of the component.
*
* This function is intended to be similar to the
* `WebAssembly.instantiate` function. The second `imports`
* argument is the "import object" for wasm, except here it
* uses component-model-layer types instead of core wasm
* integers/numbers/etc.
*
* The first argument to this function, `getCoreModule`, is
* used to compile core wasm modules within the component.
* Components are composed of core wasm modules and this callback
* will be invoked per core wasm module. The caller of this
* function is responsible for reading the core wasm module
* identified by `path` and returning its compiled
* `WebAssembly.Module` object. This would use `compileStreaming`
* on the web, for example.
*/
export function instantiate(
getCoreModule: (path: string) => WebAssembly.Module,
imports: ImportObject,
instantiateCore?: (module: WebAssembly.Module, imports: Record<string, any>) => WebAssembly.Instance
): Simd;
export function instantiate(
getCoreModule: (path: string) => WebAssembly.Module | Promise<WebAssembly.Module>,
imports: ImportObject,
instantiateCore?: (module: WebAssembly.Module, imports: Record<string, any>) => WebAssembly.Instance | Promise<WebAssembly.Instance>
): Simd | Promise<Simd>;

