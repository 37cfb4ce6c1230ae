// Finishes what `tsc -b` began: drops output whose source is gone, puts the kernels where the compiled
// files look for them, as the sources do; makes the command executable and leaves the time stamp by which
// scripts/setup.mjs knows that dist/ is fresh.
import { chmodSync, cpSync, existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const DIST = join(ROOT, "dist");
const OUTPUT = /\.(?:js|d\.ts)(?:\.map)?$/;

for (const entry of readdirSync(DIST, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || !OUTPUT.test(entry.name)) continue;
  const output = join(entry.parentPath, entry.name);
  const source = join(ROOT, relative(DIST, output).replace(OUTPUT, ".ts"));
  if (!existsSync(source)) rmSync(output);
}

cpSync(join(ROOT, "kernels-simd", "wasm"), join(DIST, "kernels-simd", "wasm"), { recursive: true });

const command = join(DIST, "adapters", "node", "cli", "main.js");
if (!existsSync(command)) {
  process.stderr.write(`Cannot finish the build: ${relative(ROOT, command)} was not written\n`);
  process.exit(1);
}
chmodSync(command, 0o755);
writeFileSync(join(DIST, ".built"), `${new Date().toISOString()}\n`);
