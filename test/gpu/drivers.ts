import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { isMissing } from "../fixtures/runtimes.ts";
import { MARK } from "./report.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** Where scripts/lavapipe.mjs puts the driver, and the Vulkan loader where the system has none. */
const LAVAPIPE = path.join(ROOT, ".cache", "lavapipe");
/** A case that hangs is killed: software drivers take seconds, never minutes. */
const TIMEOUT_MS = 120_000;

/** A Vulkan driver that computes on the CPU. A process uses one: the loader reads its environment once. */
export interface GpuDriver {
  readonly name: "lavapipe" | "SwiftShader";
  /** The loader's description of the driver. */
  readonly icd: string;
  /** Whether its tests are left out, and the reason; in CI a missing driver fails. */
  readonly missing: boolean;
}

/** Mesa's driver: f16, subgroups of 8. `npm run lavapipe` brings it. */
export const LAVAPIPE_DRIVER: GpuDriver = driver("lavapipe", path.join(LAVAPIPE, "icd.json"));
/** Chromium's driver: no f16, subgroups of 4, the limits that WebGPU promises everywhere and few more. */
export const SWIFTSHADER_DRIVER: GpuDriver = driver(
  "SwiftShader",
  process.env["SIROCCO_SWIFTSHADER_ICD"] ?? "/usr/lib/chromium/vk_swiftshader_icd.json",
);

/** What every case runs on. */
export const GPU_DRIVERS: readonly GpuDriver[] = [LAVAPIPE_DRIVER, SWIFTSHADER_DRIVER];

/** A driver is reached through the Vulkan loader: the system's, or the one beside Mesa's driver. */
function driver(name: GpuDriver["name"], icd: string): GpuDriver {
  const system = "/usr/lib/x86_64-linux-gnu/libvulkan.so.1";
  const loader = existsSync(system) ? system : path.join(LAVAPIPE, "usr", "lib");
  return { name, icd, missing: isMissing(icd) || isMissing(loader) };
}

/** The environment of a process that computes on `chosen`. */
export function gpuEnvironment(chosen: GpuDriver): NodeJS.ProcessEnv {
  const lib = path.join(LAVAPIPE, "usr", "lib");
  const folders = existsSync(lib) ? readdirSync(lib).map((name) => path.join(lib, name)) : [];
  const before = process.env["LD_LIBRARY_PATH"];
  return {
    ...process.env,
    VK_ICD_FILENAMES: chosen.icd,
    LD_LIBRARY_PATH: [...folders, ...(before === undefined ? [] : [before])].join(path.delimiter),
    XDG_RUNTIME_DIR: process.env["XDG_RUNTIME_DIR"] ?? path.join(LAVAPIPE, "run"),
  };
}

/**
 * Run a script of this folder in a process of its own on `chosen` and return what it handed to
 * `report`. Its argument is JSON; `command` is another runtime than this Node. Rejects with what it printed when it fails.
 */
export async function runOnGpu<T>(
  chosen: GpuDriver,
  script: string,
  argument: unknown = null,
  command: readonly string[] = [process.execPath],
  timeout: number = TIMEOUT_MS,
): Promise<T> {
  const [binary = process.execPath, ...before] = command;
  const args = [...before, path.join(ROOT, "test", "gpu", script), JSON.stringify(argument)];
  const child = spawn(binary, args, {
    cwd: ROOT,
    env: gpuEnvironment(chosen),
    stdio: ["ignore", "pipe", "pipe"],
    timeout,
  });
  const ended = new Promise<string>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve(`${code ?? signal}`));
  });
  const [out, complaint, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  const line = out.split("\n").find((each) => each.startsWith(MARK));
  if (line === undefined || code !== "0") {
    throw new Error(`${script} on ${chosen.name} ended with ${code}:\n${out}\n${complaint}`);
  }
  return JSON.parse(line.slice(MARK.length)) as T;
}
