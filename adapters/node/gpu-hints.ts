import { existsSync, readdirSync } from "node:fs";
import type { Refusal } from "../../backends/choose.ts";

/** What is looked at before anything is loaded. */
export interface Machine {
  readonly platform: string;
  /** The names in a folder; none where it cannot be read. */
  readonly list: (folder: string) => readonly string[];
  readonly exists: (path: string) => boolean;
}

/** What Linux has where a driver for computing runs: NVIDIA, WSL 2, Mali, Adreno. */
const DEVICE_NODES = ["/dev/nvidiactl", "/dev/dxg", "/dev/mali0", "/dev/kgsl-3d0"] as const;

/** Where the kernel's own drivers put theirs: a name that begins with `renderD` can compute. */
const RENDER_NODES = "/dev/dri";

/** This machine, as far as the program may look at it: Deno throws where it may not. */
export const THIS_MACHINE: Machine = {
  platform: process.platform,
  list: (folder) => allowed(() => readdirSync(folder)) ?? [],
  exists: (path) => allowed(() => existsSync(path)) ?? false,
};

function allowed<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}

/**
 * Why a GPU is not worth looking for, by a few looks at the file system: a library that looks for one takes
 * tens of milliseconds and complains on stderr where there is none. Other systems than Linux always
 * have something.
 */
export function withoutGpu({ platform, list, exists }: Machine = THIS_MACHINE):
  | Refusal
  | undefined {
  if (platform !== "linux" && platform !== "android") return undefined;
  if (list(RENDER_NODES).some((name) => name.startsWith("renderD"))) return undefined;
  if (DEVICE_NODES.some((node) => exists(node))) return undefined;
  return {
    reason: "no_gpu",
    detail: `neither ${RENDER_NODES}/renderD* nor another device of a GPU`,
  };
}
