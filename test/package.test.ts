import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BUN, DENO, isMissing, NODE_20, SCRIPT_RUNTIMES } from "./fixtures/runtimes.ts";
import { installPackage, type InstalledPackage } from "./fixtures/installed.ts";
import { runCli } from "./fixtures/cli.ts";

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL("..", import.meta.url));
const QUESTION = "What is quantization?";

const ANSWER = /^Quantization stores model weights with fewer bits/;

/** Using the package as the README shows it. */
const LIBRARY = `
import { demoModel, load } from "sirocco";
const engine = await load(demoModel);
let text = "";
for await (const piece of engine.chat([{ role: "user", content: "${QUESTION}" }])) text += piece;
await engine.close();
console.log(text);
`;

describe("the package as npm would publish it, installed in an empty folder", () => {
  let installed: InstalledPackage;
  let folder = "";
  let files: readonly string[] = [];

  beforeAll(async () => {
    installed = await installPackage();
    ({ folder, files } = installed);
    await writeFile(join(folder, "library.js"), LIBRARY);
  }, 180_000);

  afterAll(() => installed.remove());

  test("holds what is needed to run and nothing else", () => {
    expect(files).toEqual(
      expect.arrayContaining([
        "LICENSE",
        "README.md",
        "dist/adapters/node/cli/main.js",
        "dist/core/mod.d.ts",
        "examples/demo-model/sirocco-demo.q8_0.gguf",
        "kernels-simd/wasm/simd128.wasm",
        "package.json",
      ]),
    );
    const strange = files.filter(
      (path) =>
        !/^(?:dist|kernels-simd\/(?:component|wasm)|examples\/demo-model)\/|^[^/]+$/.test(path),
    );
    expect(strange).toEqual([]);
    expect(files.filter((path) => /\.tsbuildinfo$|\/test\/|\.built$/.test(path))).toEqual([]);
  });

  test("every compiled file comes from a source that exists", () => {
    const orphans = files.filter((path) => {
      const [, module] = /^dist\/(.*)\.(?:js|d\.ts)$/.exec(path) ?? [];
      return module !== undefined && !existsSync(join(ROOT, `${module}.ts`));
    });
    expect(orphans).toEqual([]);
  });

  describe.skipIf(isMissing(NODE_20))("on Node 20", () => {
    test("the command answers", async () => {
      const command = join(folder, "node_modules/sirocco/dist/adapters/node/cli/main.js");
      const { code, stdout, stderr } = await runCli(["run", QUESTION], { node: NODE_20, command });
      expect({ code, stderr }).toMatchObject({ code: 0 });
      expect(stdout).toMatch(ANSWER);
    });
  });

  for (const { name, binary, arguments: before } of SCRIPT_RUNTIMES) {
    test.skipIf(isMissing(binary))(`the library answers on ${name}`, async () => {
      const { stdout } = await run(binary, [...before, "library.js"], { cwd: folder });
      expect(stdout).toMatch(ANSWER);
    });
  }

  const commands: readonly (readonly [string, string, readonly string[]])[] = [
    ["npx", "npx", ["sirocco"]],
    ["bunx", BUN, ["x", "--bun", "sirocco"]],
    ["deno", DENO, ["run", "--allow-all", "npm:sirocco"]],
  ];
  for (const [name, binary, before] of commands) {
    const missing = name !== "npx" && isMissing(binary);
    test.skipIf(missing)(`the command answers through ${name}`, async () => {
      const { stdout } = await run(binary, [...before, "run", QUESTION], { cwd: folder });
      expect(stdout).toMatch(ANSWER);
    });
  }

  test("every runtime's entry in the export map exists", async () => {
    const manifest = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8")) as {
      exports: ExportTarget;
    };
    const missing = targetsOf(manifest.exports).filter(
      (target) => !files.includes(target.replace("./", "")),
    );
    expect(missing).toEqual([]);
  });
});

type ExportTarget = string | { readonly [condition: string]: ExportTarget };

function targetsOf(target: ExportTarget): readonly string[] {
  return typeof target === "string" ? [target] : Object.values(target).flatMap(targetsOf);
}
