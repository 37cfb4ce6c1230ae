import { createRequire } from "node:module";
import type { GpuContender, Refusal } from "../../backends/choose.ts";
import type { WebGpuOptions } from "../../backends/webgpu/backend.ts";
import { findFault } from "../../backends/self-test/self-test.ts";
import { RuntimeError } from "../../core/errors.ts";
import { readConfig } from "../../core/model/config.ts";
import { checkFit } from "../../core/model/fit.ts";
import { workloadOf } from "../../core/model/workload.ts";
import type { Backend } from "../../core/tensor/backend.ts";
import type { Choice } from "../../core/tensor/choice.ts";
import { chooseBackend, type Chosen, type ChooseOptions } from "./choose-backend.ts";
import { planRoom } from "./limits.ts";
import { probeGpu } from "./probe-gpu.ts";
import type { ModelsToRun } from "./start-on.ts";
import { GPU_PACKAGE, openGpu, ownGpu } from "./webgpu.ts";

/** How to choose. */
interface ChooseHereOptions extends ChooseOptions {
  readonly measureSoftware: boolean;
  /** Bytes that the GPU's buffers may take. */
  readonly gpuBytes: number | undefined;
  /** Take the times of a GPU's kernels. */
  readonly profile: boolean;
}

/** Choose between this machine's GPU and its CPU. Rejects as {@linkcode chooseBackend} does. */
export function chooseHere(
  cpu: () => Promise<Backend>,
  model: ModelsToRun,
  { measureSoftware, gpuBytes, profile, signal }: ChooseHereOptions,
): Promise<Chosen> {
  const gpu = async (): Promise<GpuContender | Refusal> => {
    if (ownGpu() === undefined && !isInstalled(GPU_PACKAGE)) {
      return {
        reason: "no_package",
        detail: `the package "${GPU_PACKAGE}" is not installed; npm install ${GPU_PACKAGE}`,
      };
    }
    const probe = await probeGpu();
    if ("reason" in probe) return probe;
    if (!probe.software || measureSoftware) return openGpu(gpuOptions(profile, gpuBytes));
    return {
      reason: "software",
      detail: `${probe.description} computes on the CPU, which WebAssembly uses better`,
    };
  };
  return chooseBackend({ cpu, gpu, measureSoftware }, model, { signal });
}

/**
 * The backend on this machine's GPU, which was asked for. Rejects with `INSUFFICIENT_RESOURCES` where there is
 * none, and where it computes wrongly.
 */
export async function useGpu(
  { gguf, room, loras }: ModelsToRun,
  profile: boolean,
  gpuBytes: number | undefined,
): Promise<Chosen> {
  const { limits } = planRoom(readConfig(gguf), room);
  const workload = workloadOf(gguf, limits, loras);
  const gpu = await openGpu(gpuOptions(profile, gpuBytes));
  if ("reason" in gpu) throw unusable(gpu.detail);
  try {
    checkFit({ name: "webgpu", need: (asked) => gpu.need(asked) }, workload);
  } catch (error) {
    gpu.close();
    throw error;
  }
  const tried = await gpu.backend();
  const fault = await findFault(tried, workload.operations);
  await tried.close();
  if (fault !== undefined) {
    gpu.close();
    throw unusable(`${gpu.description} computes wrongly: ${fault}`);
  }
  const kind = gpu.software ? `${gpu.description}, a CPU` : gpu.description;
  const choice: Choice = { reason: "asked", detail: `asked for, on ${kind}` };
  return { backend: await gpu.keep(workload), choice };
}

function gpuOptions(profile: boolean, gpuBytes: number | undefined): WebGpuOptions {
  return { profile, ...(gpuBytes === undefined ? {} : { maxBytes: gpuBytes }) };
}

function unusable(why: string): RuntimeError {
  return new RuntimeError(
    "INSUFFICIENT_RESOURCES",
    `Cannot use the webgpu backend: ${why}; --backend wasm does without a GPU`,
  );
}

/** Whether a package can be loaded from here, without loading it. */
export function isInstalled(name: string): boolean {
  try {
    createRequire(import.meta.url).resolve(name);
    return true;
  } catch {
    return false;
  }
}
