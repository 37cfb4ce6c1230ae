import { readFile } from "node:fs/promises";
import { createReferenceBackend } from "../../backends/reference/backend.ts";
import { createWasmBackend } from "../../backends/wasm/backend.ts";
import { selectKernels, type KernelBuild } from "../../backends/wasm/select.ts";
import { shareMemory } from "../../backends/wasm/shared-module.ts";
import { RuntimeError } from "../../core/errors.ts";
import type { Backend } from "../../core/tensor/backend.ts";
import type { Choice } from "../../core/tensor/choice.ts";
import type { Chosen } from "./choose-backend.ts";
import { computePool } from "./compute-threads.ts";
import { withoutGpu } from "./gpu-hints.ts";
import { machineMemory } from "./machine-memory.ts";
import { packageFile } from "./package-root.ts";
import { type ModelsToRun, planModels } from "./start-on.ts";

/** `auto`: what this model runs fastest on here. */
export type BackendPreference = "auto" | "webgpu" | "wasm" | "reference";

/** Every preference, best first. */
export const BACKEND_PREFERENCES: readonly BackendPreference[] = [
  "auto",
  "webgpu",
  "wasm",
  "reference",
];

/** A backend and why it is this one. */
export interface BackendChoice extends Chosen {
  /** What the builds of the WebAssembly kernels measured, where they were tried. */
  readonly kernels?: string;
  /** What of WebAssembly was found fit for use: `simd128`, `relaxed-simd`. */
  readonly features: readonly string[];
}

/** What to choose from, and for what. */
export interface BackendOptions {
  readonly preference: BackendPreference;
  /** Threads that are asked for; `Backend.threads` tells how many there are. */
  readonly threads: number;
  /** What is going to be computed. */
  readonly model: ModelsToRun;
  /** Bytes that a GPU's buffers may take; unbounded unless given. */
  readonly gpuBytes?: number | undefined;
  /** Aborts choosing. */
  readonly signal?: AbortSignal | undefined;
  /** Take the times of a GPU's kernels. */
  readonly profile?: boolean;
}

/** Kernel builds, the one that runs everywhere first. */
const VARIANTS = ["simd128", "relaxed", "relaxed16"] as const;

/**
 * Node 20 has relaxed SIMD behind a flag only, and its baseline compiler then adds wrongly. The self-test
 * would find that out most of the time, which is not often enough.
 */
const OLDEST_RELAXED_NODE = 22;

/**
 * Make the backend that is preferred. Rejects with `INSUFFICIENT_RESOURCES` where it cannot run here, and with
 * `ABORTED`.
 */
export async function createBackend(options: BackendOptions): Promise<BackendChoice> {
  const { preference, model, profile = false, gpuBytes, signal } = options;
  const asked: Choice = { reason: "asked", detail: "asked for" };
  if (preference === "reference") {
    return { backend: createReferenceBackend(), choice: asked, features: [] };
  }
  if (preference === "webgpu") {
    const { useGpu } = await import("./use-gpu.ts");
    return { ...(await useGpu(model, profile, gpuBytes)), features: [] };
  }
  const cpu = await findKernels(options.threads, model);
  if (cpu === undefined) {
    if (preference === "auto") {
      const detail = "this runtime has no WebAssembly SIMD";
      return {
        backend: createReferenceBackend(),
        choice: { reason: "no_simd", detail },
        features: [],
      };
    }
    throw new RuntimeError(
      "INSUFFICIENT_RESOURCES",
      "Cannot use the wasm backend: this runtime has no WebAssembly SIMD; use --backend reference",
    );
  }
  const { create, ...found } = cpu;
  if (preference === "wasm") return { backend: await create(), choice: asked, ...found };
  const measureSoftware = readVariable("SIROCCO_GPU_SOFTWARE") === "measure";
  const refusal = measureSoftware ? undefined : withoutGpu();
  if (refusal !== undefined) return { backend: await create(), choice: refusal, ...found };
  const { chooseHere } = await import("./use-gpu.ts");
  return {
    ...(await chooseHere(create, model, { measureSoftware, gpuBytes, profile, signal })),
    ...found,
  };
}

/** What the CPU computes with: the kernels that were chosen, and backends on them. */
interface CpuKernels extends Pick<BackendChoice, "kernels" | "features"> {
  readonly create: () => Promise<Backend>;
}

/** `undefined` where this runtime has no WebAssembly SIMD. */
async function findKernels(threads: number, model: ModelsToRun): Promise<CpuKernels | undefined> {
  const builds = await compileKernels();
  if (builds.length === 0) return undefined;
  const chosen = await selectKernels(builds, () => performance.now());
  return {
    create: () => createThreadedBackend(chosen, threads, model),
    kernels: chosen.reason,
    features: builds.length > 1 ? ["simd128", "relaxed-simd"] : ["simd128"],
  };
}

/** The backend on as many threads as are asked for, with as many memories as the model needs. */
async function createThreadedBackend(
  build: KernelBuild,
  threads: number,
  model: ModelsToRun,
): Promise<Backend> {
  const { variant } = build;
  const machineBytes = machineMemory();
  const { workload } = planModels(model);
  if (threads < 2) return createWasmBackend({ ...build, machineBytes, workload });
  const module = await WebAssembly.compile(shareMemory(await kernelBytes(variant)));
  return createWasmBackend({
    module,
    variant,
    machineBytes,
    workload,
    pool: computePool(threads),
  });
}

function kernelBytes(variant: string): Promise<Uint8Array<ArrayBuffer>> {
  return readFile(packageFile(`kernels-simd/wasm/${variant}.wasm`));
}

/** The kernel builds that this runtime can compile; relaxed ones only after a sound `simd128`. */
async function compileKernels(): Promise<readonly KernelBuild[]> {
  const builds: KernelBuild[] = [];
  for (const variant of VARIANTS) {
    if (variant !== "simd128" && !relaxedIsSound()) continue;
    const bytes = await kernelBytes(variant);
    if (WebAssembly.validate(bytes)) {
      builds.push({ variant, module: await WebAssembly.compile(bytes) });
    } else if (variant === "simd128") {
      return [];
    }
  }
  return builds;
}

function relaxedIsSound(): boolean {
  const [major] = process.versions.node.split(".");
  return Number(major) >= OLDEST_RELAXED_NODE;
}

/** An environment variable; Deno has none for programs that may not read them. */
function readVariable(name: string): string | undefined {
  try {
    return process.env[name];
  } catch {
    return undefined;
  }
}
