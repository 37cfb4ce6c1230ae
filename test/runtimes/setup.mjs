/**
 * Brings the runtimes that the conformance tests run in, unless they are there. vitest's global setup for
 * these tests; where a runtime cannot be had, the tests say which.
 */
import { spawnSync } from "node:child_process";
import { statSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));

/** Installs what package-lock.json names when that is newer than what is installed. */
export function setup() {
  const lock = modified(path.join(here, "package-lock.json")) ?? 0;
  if ((modified(path.join(here, "node_modules", ".package-lock.json")) ?? 0) >= lock) return;
  const flags = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
  spawnSync("npm", flags, { cwd: here, stdio: ["ignore", "ignore", "inherit"] });
}

function modified(file) {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs;
}
