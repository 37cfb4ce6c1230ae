import type { GpuContender, Refusal } from "../../backends/choose.ts";
import { findFault } from "../../backends/self-test/self-test.ts";
import { createContender } from "../../backends/webgpu/contender.ts";
import { type OpenDevice, openDevice } from "../../backends/webgpu/device.ts";
import type { GgufModel } from "../../core/gguf/gguf.ts";
import { readConfig } from "../../core/model/config.ts";
import { workloadOf } from "../../core/model/workload.ts";
import type { Backend } from "../../core/tensor/backend.ts";
// Arithmetic, nothing of Node.
import { planRoom, type RoomOptions } from "../node/limits.ts";

/** A GPU's backend, and what it computes on. */
export interface UsableGpu {
  readonly backend: Backend;
  /** For people. */
  readonly description: string;
}

/**
 * The backend on this browser's GPU once it has computed small problems of every kind that the model brings,
 * or why there is none. An adapter that computes on the CPU is taken only where `software` is fine.
 */
export async function findGpu(
  gguf: GgufModel,
  room: RoomOptions,
  software: boolean,
): Promise<UsableGpu | Refusal> {
  const { gpu } = navigator as { readonly gpu?: GPU };
  if (gpu === undefined) return { reason: "no_gpu", detail: "this browser has no WebGPU" };
  let opened: OpenDevice | undefined;
  try {
    opened = await openDevice(gpu);
  } catch (error) {
    return { reason: "failed", detail: error instanceof Error ? error.message : String(error) };
  }
  if (opened === undefined) {
    return { reason: "no_adapter", detail: "this browser offers no WebGPU adapter" };
  }
  const found = createContender(opened);
  if (found.software && !software) {
    found.close();
    return { reason: "software", detail: `${found.description} computes on the CPU` };
  }
  return testedGpu(found, gguf, room);
}

async function testedGpu(
  gpu: GpuContender,
  gguf: GgufModel,
  room: RoomOptions,
): Promise<UsableGpu | Refusal> {
  const { description } = gpu;
  try {
    // The one that will compute: what the test compiles need not be compiled again.
    const backend = await gpu.keep();
    const { limits } = planRoom(readConfig(gguf), room, backend.kvBlock);
    const fault = await findFault(backend, workloadOf(gguf, limits).operations);
    if (fault === undefined) return { backend, description };
    await backend.close();
    return { reason: "wrong", detail: `${description} computes wrongly: ${fault}` };
  } catch (error) {
    gpu.close();
    return { reason: "failed", detail: error instanceof Error ? error.message : String(error) };
  }
}
