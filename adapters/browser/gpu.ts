import type { Refusal } from "../../backends/choose.ts";
import { findFault } from "../../backends/self-test/self-test.ts";
import { WebGpuBackend } from "../../backends/webgpu/backend.ts";
import { type OpenDevice, openDevice } from "../../backends/webgpu/device.ts";
import { createMatmulKernels } from "../../backends/webgpu/matmul.ts";
import { measureMatmul } from "../../backends/webgpu/measure.ts";
import type { GgufModel } from "../../core/gguf/gguf.ts";
import { readConfig } from "../../core/model/config.ts";
import { workloadOf } from "../../core/model/workload.ts";
// Arithmetic, nothing of Node.
import { planRoom, type RoomOptions } from "../node/limits.ts";

/** A GPU's backend, and what it computes on. */
export interface UsableGpu {
  readonly backend: WebGpuBackend;
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
  const { description, device } = opened;
  if (opened.software && !software) {
    device.destroy();
    return { reason: "software", detail: `${description} computes on the CPU` };
  }
  return testedGpu(opened, gguf, room);
}

async function testedGpu(
  opened: OpenDevice,
  gguf: GgufModel,
  room: RoomOptions,
): Promise<UsableGpu | Refusal> {
  const { description, device, traits } = opened;
  let backend: WebGpuBackend;
  try {
    const matmul = createMatmulKernels(traits, await measureMatmul(opened));
    backend = new WebGpuBackend(opened, { matmul });
  } catch (error) {
    device.destroy();
    return { reason: "failed", detail: error instanceof Error ? error.message : String(error) };
  }
  const { limits } = planRoom(readConfig(gguf), room, backend.kvBlock);
  const fault = await findFault(backend, workloadOf(gguf, limits).operations);
  if (fault === undefined) return { backend, description };
  await backend.close();
  return { reason: "wrong", detail: `${description}: ${fault}` };
}
