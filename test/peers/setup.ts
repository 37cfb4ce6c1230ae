/**
 * Makes what the comparisons need, unless it is there: the packages of the peers and the real model.
 * `setup` is also vitest's global setup.
 */
import { spawnSync } from "node:child_process";
import { statSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.join(here, "..", "..");

/** Installs the peers when their lock is newer than what is installed, and downloads the real model when it is absent. */
export function setup(): void {
  const lock = modified(path.join(here, "package-lock.json")) ?? 0;
  if ((modified(path.join(here, "node_modules", ".package-lock.json")) ?? 0) < lock) {
    // Not `npm ci`: a peer lists packages for other platforms that not every registry has.
    run("npm", ["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"], here);
  }
  run(process.execPath, [path.join(root, "scripts", "model-smollm2.mjs")], root);
}

function modified(file: string): number | undefined {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs;
}

function run(command: string, args: readonly string[], cwd: string): void {
  const { status, error } = spawnSync(command, args, {
    cwd,
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (status !== 0)
    throw new Error(
      `Cannot prepare the peers: ${command} ${args.join(" ")} ended with ${error?.message ?? status}.`,
    );
}
