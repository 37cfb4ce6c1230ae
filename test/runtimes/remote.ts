import { fetchSource } from "../../adapters/portable/fetch-source.ts";
import type { KernelBuild } from "../../backends/wasm/select.ts";
import { VARIANTS } from "../fixtures/variants.ts";
import type { Environment, Task } from "./environment.ts";

/** An environment whose models come from the test's server. */
export function remoteEnvironment(
  { base, models, prompts }: Task,
  kernels: readonly KernelBuild[],
  yieldTurn: () => Promise<void>,
): Environment {
  return {
    kernels,
    models,
    prompts,
    model: (name) => fetchSource(new URL(`/models/${name}`, base)),
    yieldTurn,
  };
}

/** The builds that this runtime takes, compiled from bytes. */
export async function fetchKernels({ base }: Task): Promise<readonly KernelBuild[]> {
  const builds: KernelBuild[] = [];
  for (const variant of VARIANTS) {
    const response = await fetch(new URL(`/kernels/${variant}.wasm`, base));
    const bytes = await response.arrayBuffer();
    if (!WebAssembly.validate(bytes)) continue;
    builds.push({ variant, module: await WebAssembly.compile(bytes) });
  }
  return builds;
}
