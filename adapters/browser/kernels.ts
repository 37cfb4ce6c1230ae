import { selectKernels, type KernelBuild } from "../../backends/wasm/select.ts";
import { RuntimeError } from "../../core/errors.ts";

/** Kernel builds, the one that runs everywhere first. The URLs are written out for bundlers to see. */
const BUILDS: readonly (readonly [string, URL])[] = [
  ["simd128", new URL("../../kernels-simd/wasm/simd128.wasm", import.meta.url)],
  ["relaxed", new URL("../../kernels-simd/wasm/relaxed.wasm", import.meta.url)],
  ["relaxed16", new URL("../../kernels-simd/wasm/relaxed16.wasm", import.meta.url)],
];

/** The best kernels for this browser. Rejects with `INSUFFICIENT_RESOURCES` where it has no SIMD. */
export async function browserKernels(): Promise<KernelBuild> {
  const fetched = await Promise.all(
    BUILDS.map(async ([variant, url]) => ({ variant, bytes: await bytesOf(url) })),
  );
  const usable = fetched.filter(({ bytes }) => WebAssembly.validate(bytes));
  if (usable[0]?.variant !== "simd128") {
    throw new RuntimeError(
      "INSUFFICIENT_RESOURCES",
      "Cannot compute: this browser has no WebAssembly SIMD; use a release of 2023 or later",
    );
  }
  const builds = await Promise.all(
    usable.map(async ({ variant, bytes }) => ({
      variant,
      module: await WebAssembly.compile(bytes),
    })),
  );
  return selectKernels(builds, () => performance.now());
}

async function bytesOf(url: URL): Promise<ArrayBuffer> {
  const response = await fetch(url);
  if (!response.ok) {
    throw new RuntimeError(
      "INSUFFICIENT_RESOURCES",
      `Cannot load the kernels: the server answered ${response.status} for ${url.pathname}`,
    );
  }
  return response.arrayBuffer();
}
