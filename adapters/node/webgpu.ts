import { WebGpuBackend } from "../../backends/webgpu/backend.ts";
import { openDevice } from "../../backends/webgpu/device.ts";
import { createMatmulKernels } from "../../backends/webgpu/matmul.ts";
import { measureMatmul } from "../../backends/webgpu/measure.ts";
import { RuntimeError } from "../../core/errors.ts";

/** Dawn for Node and Bun: an optional package, whose types contradict TypeScript's own. */
const PACKAGE: string = "webgpu";

/** Dawn rounds timestamps to 2^16 ns unless told otherwise: more than most kernels take. */
const EXACT_TIMES = "disable-dawn-features=timestamp_quantization";

/** What Dawn's package exports. */
interface Dawn {
  readonly create: (options: readonly string[]) => GPU;
}

/**
 * The runtime's `GPU`: Deno's own, or Dawn's where its package is installed.
 * Rejects with `INSUFFICIENT_RESOURCES` where there is neither.
 */
async function findGpu(profile: boolean): Promise<GPU> {
  const own = (globalThis.navigator as { readonly gpu?: GPU } | undefined)?.gpu;
  if (own !== undefined) return own;
  try {
    const dawn = (await import(PACKAGE)) as Dawn;
    return dawn.create(profile ? [EXACT_TIMES] : []);
  } catch (cause) {
    throw new RuntimeError(
      "INSUFFICIENT_RESOURCES",
      `Cannot use the webgpu backend: the package "webgpu" does not load; npm install webgpu, or use --backend wasm`,
      { cause },
    );
  }
}

/**
 * The backend on this machine's GPU; with `profile` it takes the times of its kernels. Rejects with
 * `INSUFFICIENT_RESOURCES` where there is none.
 */
export async function createGpuBackend(
  profile = false,
): Promise<{ backend: WebGpuBackend; reason: string }> {
  const opened = await openDevice(await findGpu(profile));
  if (opened === undefined) {
    throw new RuntimeError(
      "INSUFFICIENT_RESOURCES",
      "Cannot use the webgpu backend: the driver offers no adapter; use --backend wasm",
    );
  }
  const { description, software } = opened;
  const kind = software ? `${description}, a CPU` : description;
  const preference = await measureMatmul(opened);
  const matmul = createMatmulKernels(opened.traits, preference);
  return {
    backend: new WebGpuBackend(opened, { matmul, profile }),
    reason: `asked for, on ${kind}; products by ${preference.few} and ${preference.many}`,
  };
}
