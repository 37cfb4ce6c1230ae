import type { GpuContender, Refusal } from "../../backends/choose.ts";
import type { WebGpuOptions } from "../../backends/webgpu/backend.ts";
import { createContender } from "../../backends/webgpu/contender.ts";
import { type OpenDevice, openDevice } from "../../backends/webgpu/device.ts";

/** Dawn for Node and Bun: an optional package, whose types contradict TypeScript's own. */
export const GPU_PACKAGE: string = "webgpu";

/** Dawn rounds timestamps to 2^16 ns unless told otherwise: more than most kernels take. */
const EXACT_TIMES = "disable-dawn-features=timestamp_quantization";

/** What Dawn's package exports. */
interface Dawn {
  readonly create: (options: readonly string[]) => GPU;
}

/** The `GPU` that the runtime brings, as Deno does. */
export function ownGpu(): GPU | undefined {
  return (globalThis.navigator as { readonly gpu?: GPU } | undefined)?.gpu;
}

/** The runtime's `GPU`: its own, or Dawn's where its package is installed. */
async function findGpu(profile: boolean): Promise<GPU | Refusal> {
  const own = ownGpu();
  if (own !== undefined) return own;
  try {
    const dawn = (await import(GPU_PACKAGE)) as Dawn;
    return dawn.create(profile ? [EXACT_TIMES] : []);
  } catch {
    return {
      reason: "no_package",
      detail: `the package "${GPU_PACKAGE}" does not load; npm install ${GPU_PACKAGE}`,
    };
  }
}

/** A device of this machine's GPU, or why there is none. Rejects with what its driver rejects with. */
export async function openGpuDevice(profile = false): Promise<OpenDevice | Refusal> {
  const gpu = await findGpu(profile);
  if ("reason" in gpu) return gpu;
  const opened = await openDevice(gpu);
  return opened ?? { reason: "no_adapter", detail: "the driver offers no adapter" };
}

/** The same as one that may compute. */
export async function openGpu(options: WebGpuOptions = {}): Promise<GpuContender | Refusal> {
  const opened = await openGpuDevice(options.profile);
  return "reason" in opened ? opened : createContender(opened, options);
}
