import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism, cpus, release, type } from "node:os";
import { readBandwidth } from "./bandwidth.ts";
import { ROOT } from "./peers.ts";
import type { Bandwidth, Report } from "./report.ts";

/** Vector extensions that decide how fast int8 products are. */
const VECTORS: readonly string[] = [
  "avx2",
  "avx_vnni",
  "avx512f",
  "avx512_vnni",
  "asimddp",
  "i8mm",
];

/** What this machine is. */
export function describeMachine(): Report["machine"] {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown CPU",
    cores: cpus().length,
    system: `${type()} ${release()}`,
    vectors: VECTORS.filter((name) => cpuFlags().has(name)),
  };
}

/** The commit that is measured, with `+` where files differ from it. */
export function describeCommit(): string {
  try {
    const changed = git("status", "--porcelain", "--untracked-files=no") !== "";
    return `${git("rev-parse", "--short", "HEAD")}${changed ? "+" : ""}`;
  } catch {
    return "unknown";
  }
}

function git(...args: string[]): string {
  return execFileSync("git", args, { cwd: ROOT, encoding: "utf8" }).trim();
}

/** Read bandwidth of one thread and of two, where there are two cores. */
export async function measureBandwidth(): Promise<Bandwidth> {
  const measured: Record<string, number> = {};
  for (let threads = 1; threads <= Math.min(2, availableParallelism()); threads++) {
    measured[threads] = await readBandwidth(threads);
  }
  return measured;
}

function cpuFlags(): ReadonlySet<string> {
  try {
    const [, flags = ""] =
      /^(?:flags|Features)\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8")) ?? [];
    return new Set(flags.trim().split(/\s+/));
  } catch {
    return new Set();
  }
}
