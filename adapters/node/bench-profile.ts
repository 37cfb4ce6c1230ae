import type { WebGpuBackend } from "../../backends/webgpu/backend.ts";
import { RuntimeError } from "../../core/errors.ts";
import type { Backend } from "../../core/tensor/backend.ts";

/** What the dispatches of one kernel with the same sizes did in a step, on average. */
export interface KernelRow {
  readonly kernel: string;
  readonly shape: string;
  /** Of a step; less than one where only some steps have one. */
  readonly dispatches: number;
  /** Bytes of weights read, and what they would be with each byte read once. */
  readonly weight_bytes: number;
  readonly least_weight_bytes: number;
  /** Bytes of activations, and of the cache. */
  readonly activation_bytes: number;
  readonly cache_bytes: number;
  /** By the device's clock; `null` where it takes no timestamps, as is `share`. */
  readonly ns: number | null;
  /** Fraction of the step. */
  readonly share: number | null;
}

/** How a test's steps used the GPU. */
export interface BenchProfile {
  readonly steps: number;
  /** A step's time by this thread's clock, with what the profile itself costs. */
  readonly wall_ns: number;
  /** What the device can tell apart; `null` where it takes no timestamps. */
  readonly clock_ns: number | null;
  readonly kernels: readonly KernelRow[];
}

/** The backend as one whose profile can be taken. Throws `INVALID_REQUEST` for one that computes on the CPU. */
export async function profiledBackend(backend: Backend | undefined): Promise<WebGpuBackend> {
  const { WebGpuBackend: Gpu } = await import("../../backends/webgpu/backend.ts");
  if (backend instanceof Gpu) return backend;
  throw new RuntimeError(
    "INVALID_REQUEST",
    `Cannot profile the backend ${backend?.name}: kernels of a GPU are what is looked at; use --backend webgpu`,
  );
}

/** The profile of what `run` does. */
export async function profileOf(
  backend: WebGpuBackend,
  run: () => Promise<number>,
): Promise<BenchProfile> {
  await backend.takeProfile();
  const seconds = await run();
  const { steps, kernels, clockNs } = await backend.takeProfile();
  const whole = kernels.reduce((sum, { ns }) => sum + (ns ?? 0), 0);
  return {
    steps,
    wall_ns: (1e9 * seconds) / steps,
    clock_ns: clockNs,
    kernels: kernels.map((each) => ({
      kernel: each.kernel,
      shape: each.shape,
      dispatches: each.dispatches / steps,
      weight_bytes: each.weightBytes / steps,
      least_weight_bytes: each.leastWeightBytes / steps,
      activation_bytes: each.activationBytes / steps,
      cache_bytes: each.cacheBytes / steps,
      ns: each.ns === null ? null : each.ns / steps,
      share: each.ns === null || whole === 0 ? null : each.ns / whole,
    })),
  };
}
