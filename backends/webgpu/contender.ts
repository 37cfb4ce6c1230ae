import type { GpuContender } from "../choose.ts";
import { WebGpuBackend, type WebGpuOptions } from "./backend.ts";
import type { OpenDevice } from "./device.ts";
import { createMatmulKernels } from "./matmul.ts";
import { measureMatmul } from "./measure.ts";
import { boundsOf, gpuNeed } from "./need.ts";

/** A device as one that may compute: which of the matrix kernels are fast on it is measured once. */
export function createContender(opened: OpenDevice, options: WebGpuOptions = {}): GpuContender {
  const { description, software, device, traits } = opened;
  let measured: ReturnType<typeof measureMatmul> | undefined;
  const make = async (own: WebGpuOptions): Promise<WebGpuBackend> => {
    const preference = await (measured ??= measureMatmul(opened));
    const matmul = createMatmulKernels(traits, preference);
    return new WebGpuBackend(opened, { matmul, ...options, ...own });
  };
  return {
    description: description === "" ? "a GPU without a name" : description,
    software,
    need: (workload) => gpuNeed(workload, boundsOf(device, options.maxBytes, options.arenaBytes)),
    backend: () => make({ keepsDevice: true, profile: false }),
    keep: (workload) => make(workload === undefined ? {} : { workload }),
    close: () => device.destroy(),
  };
}
