/** The page's answers from the browser itself, on both backends, with the files that the server shares. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium, type BrowserContext, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { runCli, startServer, type ServerProcess } from "../fixtures/cli.ts";
import { CHROMIUM, isMissing } from "../fixtures/runtimes.ts";

const QUESTION = "What is quantization?";
/** Tokens: the software GPU takes seconds for its compiler and then milliseconds for each. */
const FEW = 16;
/** Chromium's software GPU compiles a kernel in a second or two, and cores are shared. */
const TIMEOUT_MS = 180_000;

describe.skipIf(isMissing(CHROMIUM))(
  "answers of the browser itself (skips without Chromium)",
  { timeout: TIMEOUT_MS },
  () => {
    let server: ServerProcess;
    let context: BrowserContext;
    let profile: string;
    let page: Page;
    let complaints: string[];

    beforeAll(async () => {
      server = await startServer(["--share-model", "--api-key", "sk-share"]);
      profile = mkdtempSync(join(tmpdir(), "sirocco-here-"));
      context = await chromium.launchPersistentContext(profile, {
        executablePath: CHROMIUM,
        args: ["--no-sandbox", "--enable-unsafe-webgpu"],
      });
    });

    afterAll(async () => {
      await context?.close();
      await server?.stop();
      rmSync(profile, { recursive: true, force: true });
    });

    beforeEach(async () => {
      page = await context.newPage();
      complaints = [];
      page.on("console", (message) => {
        if (message.type() === "error") complaints.push(message.text());
      });
      page.on("pageerror", (error) => complaints.push(error.message));
      await page.goto(server.url);
      // A tab has no key yet.
      await until("document.querySelector('#about').textContent.includes('API key')");
      complaints = complaints.filter((text) => !text.includes("401"));
      await page.locator("#key").fill("sk-share");
      await page.keyboard.press("Tab");
      await until("document.querySelector('#model').options.length > 0");
      await page.locator("#temperature").fill("0");
    });

    afterEach(async () => {
      // Nothing that the page or its workers do breaks their policies.
      expect(complaints).toEqual([]);
      await page.close();
    });

    /** Polled from outside: the page's policy forbids what playwright's own way of waiting needs. */
    const until = (expression: string, timeout = 15_000) =>
      expect.poll(() => page.evaluate(expression), { timeout }).toBe(true);
    const about = () => page.locator("#about").innerText();

    async function answerIn(where: string): Promise<string> {
      await page.locator("#where").selectOption(where);
      await until("!/loading/.test(document.querySelector('#about').textContent)", TIMEOUT_MS / 2);
      await page.locator("#text").fill(QUESTION);
      await page.keyboard.press("Enter");
      const answered = "document.querySelectorAll('article.assistant:not(.busy)').length === 1";
      await until(answered, TIMEOUT_MS / 2);
      return page.locator("article.assistant .text").innerText();
    }

    async function computed(): Promise<number> {
      const headers = { authorization: "Bearer sk-share" };
      const text = await (await fetch(`${server.url}/metrics`, { headers })).text();
      return Number(/^vllm:generation_tokens_total(?:\{.*\})? (\S+)$/m.exec(text)?.[1]);
    }

    test("by WebAssembly are the server's to the last token, on several threads, and the server computes nothing", async () => {
      const before = await computed();
      const own = await answerIn("wasm");
      expect(await about()).toMatch(/· wasm-\S+ in this browser \(asked for\)/);
      expect(await page.evaluate("crossOriginIsolated")).toBe(true);
      expect(await computed()).toBe(before);
      expect(await page.locator("article.assistant footer").innerText()).toMatch(/tokens\/s/);
      await page.getByRole("button", { name: "New chat" }).click();
      expect(await answerIn("")).toBe(own);
      expect(await about()).not.toContain("browser");
      expect(await computed()).toBeGreaterThan(before);
    });

    test("by WebGPU are those of the reference", async () => {
      await page.locator("#limit").fill(String(FEW));
      const own = await answerIn("webgpu");
      expect(await about()).toMatch(/· webgpu in this browser \(asked for, on .*swiftshader/i);
      const args = ["run", QUESTION, "--backend", "reference", "-n", String(FEW), "--json"];
      const { text } = JSON.parse((await runCli(args)).stdout) as { readonly text: string };
      expect(own).toBe(text.trim());
    });

    test("do not take a GPU that is none unless it is asked for, and say why", async () => {
      await answerIn("auto");
      expect(await about()).toMatch(
        /· wasm-\S+ in this browser \(.*swiftshader.* computes on the CPU\)/i,
      );
    });
  },
);
