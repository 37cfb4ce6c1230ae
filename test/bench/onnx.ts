import { spawnSync } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import path from "node:path";
import { ROOT } from "./peers.ts";

const CACHE = path.join(ROOT, ".cache");
const VENV = path.join(CACHE, "onnx-venv");
const FOLDER = path.join(CACHE, "models", "smollm2-shape-onnx");
const PACKAGES: readonly string[] = ["onnx==1.23.2", "numpy==2.4.6"];

/** Make the files that transformers.js runs, unless they are there; gives the reason where that fails. */
export function prepareOnnx(): string | undefined {
  if (existsSync(path.join(FOLDER, "config.json"))) return undefined;
  const python = path.join(VENV, "bin", "python");
  const script = path.join(ROOT, "test/peers/onnx/make_onnx.py");
  const steps: readonly (readonly string[])[] = [
    ["python3", "-m", "venv", "--clear", VENV],
    [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...PACKAGES],
    [python, script, FOLDER],
  ];
  try {
    for (const [program = "", ...args] of steps) {
      const { status, error } = spawnSync(program, args, {
        stdio: ["ignore", "ignore", "inherit"],
      });
      if (status !== 0)
        return `${program} ${args.join(" ")} ended with ${error?.message ?? status}`;
    }
    return undefined;
  } finally {
    // Only needed for this, and hundreds of megabytes.
    rmSync(VENV, { recursive: true, force: true });
  }
}
