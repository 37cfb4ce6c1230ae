import { fetchSource } from "../../adapters/portable/fetch-source.ts";
import type { KernelBuild } from "../../backends/wasm/select.ts";
import { VARIANTS } from "../fixtures/variants.ts";
import type { Environment, Task } from "./environment.ts";

/** An environment whose models come from the test's server. */
export function remoteEnvironment(
  { base, models, prompts }: Task,
  kernels: readonly KernelBuild[],
  yieldTurn: () => Promise<void>,
  threaded?: Environment["threaded"],
): Environment {
  return {
    ...(threaded === undefined ? {} : { threaded }),
    kernels,
    models,
    prompts,
    model: (name) => fetchSource(new URL(`/models/${name}`, base)),
    yieldTurn,
  };
}

/** The bytes of a build. */
export async function fetchBytes({ base }: Task, variant: string): Promise<ArrayBuffer> {
  return (await fetch(new URL(`/kernels/${variant}.wasm`, base))).arrayBuffer();
}

/** The builds that this runtime takes, compiled from bytes. */
export async function fetchKernels(task: Task): Promise<readonly KernelBuild[]> {
  const builds: KernelBuild[] = [];
  for (const variant of VARIANTS) {
    const bytes = await fetchBytes(task, variant);
    if (!WebAssembly.validate(bytes)) continue;
    builds.push({ variant, module: await WebAssembly.compile(bytes) });
  }
  return builds;
}
