// Writes backends/webgpu/generated.ts from kernels-wgsl/*.wgsl: backends read no files, so the kernels
// travel as strings. Run after every change of a kernel.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const folder = new URL("../kernels-wgsl/", import.meta.url);
const target = new URL("../backends/webgpu/generated.ts", import.meta.url);

/** The text of generated.ts for the kernels as they are now. */
export function embedKernels() {
  const names = readdirSync(folder)
    .filter((name) => name.endsWith(".wgsl"))
    .toSorted();
  return [
    "// Written by scripts/embed-wgsl.mjs from kernels-wgsl/*.wgsl; change those and run it again.",
    "",
    "/** The text of each file. A module is one of them, or several joined. */",
    "export const WGSL = {",
    ...names.map((name) => {
      const text = readFileSync(new URL(name, folder), "utf8");
      return `  ${toKey(name.slice(0, -".wgsl".length))}: ${toLiteral(text)},`;
    }),
    "} as const;",
    "",
  ].join("\n");
}

// As the formatter writes keys: quoted where they have to be.
function toKey(name) {
  return /^[a-z]\w*$/i.test(name) ? name : `"${name}"`;
}

// A template literal: formatters leave it alone, and its diffs can be read.
function toLiteral(text) {
  return `\`${text.replaceAll(/[\\`]|\$(?=\{)/g, "\\$&")}\``;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  writeFileSync(target, embedKernels());
}
