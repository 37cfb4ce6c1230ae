import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { chromium } from "playwright-core";
import { beforeAll, describe, expect, test } from "vitest";
import { createWasmBackend } from "../backends/wasm/backend.ts";
import { kernelsOf } from "../backends/wasm/kernels.ts";
import { bytesSource } from "../core/gguf/source.ts";
import type { Backend } from "../core/tensor/backend.ts";
import { CHROMIUM, isMissing } from "./fixtures/runtimes.ts";
import type { Environment } from "./runtimes/environment.ts";
import { createIdentityRig, SAMPLINGS } from "./runtimes/identity.ts";
import { serveFiles } from "./runtimes/serve-files.ts";

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL("..", import.meta.url));
const EXAMPLE = join(ROOT, "examples/browser");
const PKG = join(EXAMPLE, "kernels/target/pkg");
const DEMO = join(ROOT, "examples/demo-model/sirocco-demo.q8_0.gguf");
const WASM_PACK = join(ROOT, ".cache/cargo-tools/bin/wasm-pack");

/** The first build compiles the standard library: a minute on two cores. */
const BUILD_MS = 400_000;
const ANSWER = /^Quantization stores model weights with fewer bits/;

/** What a wasm-pack package of the kernels exports. */
interface KernelsPackage {
  initSync(options: { module: WebAssembly.Module }): WebAssembly.Exports;
  heapBase(): number;
}

const missing = [WASM_PACK, CHROMIUM].filter((binary) => isMissing(binary));

describe.skipIf(missing.length > 0)(
  `the page that webpack builds from source${missing.length > 0 ? ` (skipped: there is no ${missing.join(", ")})` : ""}`,
  () => {
    beforeAll(async () => {
      rmSync(PKG, { recursive: true, force: true });
      await run("npx", ["webpack", "--config", "examples/browser/webpack.config.js"], {
        cwd: ROOT,
      });
    }, BUILD_MS);

    test("its kernels give the bits of the committed build", async () => {
      const built = (await import(pathToFileURL(join(PKG, "index.js")).href)) as KernelsPackage;
      const module = await compile(join(PKG, "index_bg.wasm"));
      const fromSource = await digest(() =>
        createWasmBackend({
          module,
          variant: "simd128",
          instantiate(own) {
            const exports = built.initSync({ module: own });
            const memory = exports["memory"] as WebAssembly.Memory;
            return Promise.resolve(kernelsOf(exports, memory, built.heapBase()));
          },
        }),
      );
      const committed = await compile(join(ROOT, "kernels-simd/wasm/simd128.wasm"));
      const expected = await digest(() =>
        createWasmBackend({ module: committed, variant: "simd128" }),
      );
      expect(fromSource).toBe(expected);
    });

    test("it answers in a browser, with those kernels only", async () => {
      const server = await serveFiles((path) => ({
        file: join(EXAMPLE, path === "/" ? "index.html" : path.slice(1)),
      }));
      const profile = mkdtempSync(join(tmpdir(), "sirocco-chromium-"));
      const browser = await chromium.launchPersistentContext(profile, {
        executablePath: CHROMIUM,
        args: ["--no-sandbox"],
      });
      try {
        const page = await browser.newPage();
        const kernels: Promise<Buffer>[] = [];
        browser.on("response", (response) => {
          if (response.url().endsWith(".wasm")) kernels.push(response.body());
        });
        await page.goto(server.base);
        await page.click("button:enabled", { timeout: 20_000 });
        await page.waitForFunction("document.querySelector('output').textContent.endsWith('.')");
        expect(await page.textContent("output")).toMatch(ANSWER);
        const built = readFileSync(join(PKG, "index_bg.wasm"));
        expect((await Promise.all(kernels)).map((bytes) => bytes.equals(built))).toEqual([true]);
      } finally {
        await browser.close();
        await server.close();
        rmSync(profile, { recursive: true, force: true });
      }
    });
  },
);

function compile(file: string): Promise<WebAssembly.Module> {
  return WebAssembly.compile(readFileSync(file));
}

/** SHA-256 over the logits and tokens of some prompts on the demo model. */
async function digest(create: () => Promise<Backend>): Promise<string> {
  const environment: Environment = {
    kernels: [],
    models: ["demo"],
    prompts: 0,
    model: () => Promise.resolve(bytesSource(readFileSync(DEMO))),
    yieldTurn: () => Promise.resolve(),
  };
  const rig = await createIdentityRig(environment, "demo", create);
  try {
    return await rig.digest({ batch: 2, chunk: 16, prompts: 4 }, SAMPLINGS.greedy);
  } finally {
    await rig.close();
  }
}
