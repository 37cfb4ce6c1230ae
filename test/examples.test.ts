import { execFile } from "node:child_process";
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { installPackage, type InstalledPackage } from "./fixtures/installed.ts";
import { BUN, CHROMIUM, DENO, isMissing } from "./fixtures/runtimes.ts";
import { serveFiles } from "./runtimes/serve-files.ts";

const run = promisify(execFile);
const EXAMPLES = fileURLToPath(new URL("../examples/", import.meta.url));
const ANSWER = /Quantization stores model weights with fewer bits/;

describe("the examples, beside the installed package", () => {
  let installed: InstalledPackage;
  const at = (path: string): string => join(installed.folder, path);
  beforeAll(async () => {
    installed = await installPackage();
    for (const path of [
      "bun-script/ask.ts",
      "deno-script/ask.ts",
      "node-pool/pool.mjs",
      "browser-esm/index.html",
    ]) {
      await copyFile(join(EXAMPLES, path), at(path.replace("/", "-")));
    }
  }, 180_000);
  afterAll(() => installed.remove());

  test.skipIf(isMissing(BUN))("the Bun script answers", async () => {
    const { stdout } = await run(BUN, ["bun-script-ask.ts"], { cwd: installed.folder });
    expect(stdout).toMatch(ANSWER);
  });

  test.skipIf(isMissing(DENO))(
    "the Deno script answers with the permissions that it names",
    async () => {
      const flags = ["run", "--no-prompt", "--allow-read"];
      const { stdout } = await run(DENO, [...flags, "deno-script-ask.ts"], {
        cwd: installed.folder,
      });
      expect(stdout).toMatch(ANSWER);
    },
  );

  test("the pool on Node answers every question in order", async () => {
    const { stdout } = await run(process.execPath, ["node-pool-pool.mjs"], {
      cwd: installed.folder,
    });
    expect(stdout.match(/^> .*/gm)).toHaveLength(3);
    expect(stdout).toMatch(ANSWER);
    expect(stdout).not.toContain("undefined");
  });

  test.skipIf(isMissing(CHROMIUM))("the page answers without a build", async () => {
    const server = await serveFiles((path) => ({
      file: at(path === "/" ? "browser-esm-index.html" : path.slice(1)),
    }));
    const profile = await mkdtemp(join(tmpdir(), "sirocco-chromium-"));
    const browser = await chromium.launchPersistentContext(profile, {
      executablePath: CHROMIUM,
      args: ["--no-sandbox"],
    });
    try {
      const page = await browser.newPage();
      const errors: string[] = [];
      page.on("pageerror", (error) => errors.push(error.message));
      page.on("console", (message) => {
        if (message.type() === "error") errors.push(message.text());
      });
      await page.goto(server.base);
      await page.click("button:enabled", { timeout: 20_000 }).catch((error: unknown) => {
        throw new Error(`The page has not loaded its model: ${errors.join("; ")}`, {
          cause: error,
        });
      });
      await page.waitForFunction("document.querySelector('output').textContent.endsWith('.')");
      expect(await page.textContent("output")).toMatch(ANSWER);
    } finally {
      await browser.close();
      await server.close();
      await rm(profile, { recursive: true, force: true });
    }
  });
});
