import { selectKernels } from "../../backends/wasm/select.ts";
import { shareMemory } from "../../backends/wasm/shared-module.ts";
import { RuntimeError } from "../../core/errors.ts";
import type { RuntimeKernels } from "../portable/runtime.ts";
import { computePool } from "./compute-threads.ts";

/** Kernel builds, the one that runs everywhere first. The URLs are written out for bundlers to see. */
const BUILDS: readonly (readonly [string, URL])[] = [
  ["simd128", new URL("../../kernels-simd/wasm/simd128.wasm", import.meta.url)],
  ["relaxed", new URL("../../kernels-simd/wasm/relaxed.wasm", import.meta.url)],
  ["relaxed16", new URL("../../kernels-simd/wasm/relaxed16.wasm", import.meta.url)],
];

/** The best kernels for this browser, on so many threads. Rejects with `INSUFFICIENT_RESOURCES` where it has no SIMD. */
export async function browserKernels(threads: number): Promise<RuntimeKernels> {
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
  const chosen = await selectKernels(builds, () => performance.now());
  if (threads < 2) return chosen;
  const { bytes } = usable.find(({ variant }) => variant === chosen.variant)!;
  return {
    variant: chosen.variant,
    module: await WebAssembly.compile(shareMemory(new Uint8Array(bytes))),
    pool: computePool(threads),
  };
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
