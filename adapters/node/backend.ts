import { readFile } from "node:fs/promises";
import { createReferenceBackend } from "../../backends/reference/backend.ts";
import { createWasmBackend } from "../../backends/wasm/backend.ts";
import { selectKernels, type KernelBuild } from "../../backends/wasm/select.ts";
import { shareMemory } from "../../backends/wasm/shared-module.ts";
import { RuntimeError } from "../../core/errors.ts";
import type { Backend } from "../../core/tensor/backend.ts";
import { computePool } from "./compute-threads.ts";
import { packageFile } from "./package-root.ts";

/** `auto`: the fastest CPU backend that works here; `webgpu` has to be asked for. */
export type BackendPreference = "auto" | "webgpu" | "wasm" | "reference";

/** Every preference, best first. */
export const BACKEND_PREFERENCES: readonly BackendPreference[] = [
  "auto",
  "webgpu",
  "wasm",
  "reference",
];

/** A backend and why it is this one. */
export interface BackendChoice {
  readonly backend: Backend;
  /** For people, one line. */
  readonly reason: string;
  /** What of WebAssembly was found fit for use: `simd128`, `relaxed-simd`. */
  readonly features: readonly string[];
}

/** What to choose from. */
export interface BackendOptions {
  readonly preference: BackendPreference;
  /** Threads that are asked for; `Backend.threads` tells how many there are. */
  readonly threads: number;
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

/** Make the backend that is preferred. Rejects with `INSUFFICIENT_RESOURCES` where it cannot run here. */
export async function createBackend(options: BackendOptions): Promise<BackendChoice> {
  const { preference } = options;
  if (preference === "reference") {
    return { backend: createReferenceBackend(), reason: "asked for", features: [] };
  }
  if (preference === "webgpu") {
    const { createGpuBackend } = await import("./webgpu.ts");
    return { ...(await createGpuBackend(options.profile)), features: [] };
  }
  const builds = await compileKernels();
  if (builds.length > 0) {
    const chosen = await selectKernels(builds, () => performance.now());
    return {
      backend: await createThreadedBackend(chosen, options.threads),
      reason: chosen.reason,
      features: builds.length > 1 ? ["simd128", "relaxed-simd"] : ["simd128"],
    };
  }
  if (preference === "wasm") {
    throw new RuntimeError(
      "INSUFFICIENT_RESOURCES",
      "Cannot use the wasm backend: this runtime has no WebAssembly SIMD; use --backend reference",
    );
  }
  return {
    backend: createReferenceBackend(),
    reason: "this runtime has no WebAssembly SIMD",
    features: [],
  };
}

/** The backend on as many threads as are asked for. */
async function createThreadedBackend(build: KernelBuild, threads: number): Promise<Backend> {
  const { variant } = build;
  if (threads < 2) return createWasmBackend(build);
  const module = await WebAssembly.compile(shareMemory(await kernelBytes(variant)));
  return createWasmBackend({
    module,
    variant,
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
