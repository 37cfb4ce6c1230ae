/** The package in a real browser: cross-origin isolated, where it has threads, and not. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium, type BrowserContext, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadLocal } from "../../../adapters/node/load.ts";
import type { GenerateRequest } from "../../../core/engine/engine.ts";
import { GREEDY } from "../../../core/sampler/params.ts";
import { CHROMIUM, isMissing } from "../../fixtures/runtimes.ts";
import { type FileServer, serveFiles } from "../../runtimes/serve-files.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const MODEL = "examples/demo-model/sirocco-demo.q8_0.gguf";
/** The example's import map, with the package as it lies here. */
const PAGE = `<!doctype html>
${/<script type="importmap">[^]*?<\/script>/
  .exec(readFileSync(join(ROOT, "examples/browser-esm/index.html"), "utf8"))![0]
  .replaceAll("./node_modules/", "/node_modules/")
  .replaceAll("/node_modules/sirocco/", "/")}
<script type="module" src="/test/adapters/browser/page.mjs"></script>`;

/** Seeded and long, so that another bit would show. */
const REQUEST: GenerateRequest = {
  tokens: Array.from({ length: 100 }, (_, i) => 3 + ((i * 37) % 400)),
  maxTokens: 64,
  sampling: { ...GREEDY, temperature: 1.2, seed: 7 },
  stopTokens: [],
};
/** A step takes less than a millisecond; the rest is for a busy machine. */
const LEAVING_MS = 250;
const ENDLESS_TOKENS = 1900;

interface Found {
  readonly threads: number;
  readonly tokens: readonly number[];
  readonly logprobs: readonly number[];
}

/** What Node finds, in one thread. */
async function onNode(): Promise<Found> {
  const model = await loadLocal({ model: join(ROOT, MODEL), threads: 1 });
  const tokens: number[] = [];
  const logprobs: number[] = [];
  for await (const event of model.engine.generate({ ...REQUEST, logprobs: 0 })) {
    if (event.type !== "token") continue;
    tokens.push(event.token);
    logprobs.push(event.logprob!);
  }
  await model.close();
  return { threads: 1, tokens, logprobs };
}

describe.skipIf(isMissing(CHROMIUM)).for([true, false])("cross-origin isolated: %s", (isolated) => {
  let server: FileServer;
  let browser: BrowserContext;
  let page: Page;
  /** Times that the server was asked for the model, and for a compute thread's program. */
  let downloads = 0;
  let started = 0;
  const profile = mkdtempSync(join(tmpdir(), "sirocco-chromium-"));

  beforeAll(async () => {
    server = await serveFiles((path) => {
      if (path === "/") return { text: PAGE };
      if (path === `/${MODEL}`) downloads++;
      if (path.endsWith("/compute-thread.js")) started++;
      return { file: join(ROOT, path.slice(1)) };
    }, isolated);
    browser = await chromium.launchPersistentContext(profile, {
      executablePath: CHROMIUM,
      args: ["--no-sandbox"],
    });
    page = await browser.newPage();
    await open();
  }, 60_000);
  afterAll(async () => {
    await browser.close();
    await server.close();
    rmSync(profile, { recursive: true, force: true });
  });

  async function open(): Promise<void> {
    await page.goto(server.base);
    await page.waitForFunction("'outlive' in globalThis");
    expect(await page.evaluate("crossOriginIsolated")).toBe(isolated);
  }
  const answer = (threads?: number): Promise<Found> =>
    page.evaluate<Found>(`answer(${JSON.stringify(REQUEST)}, ${threads})`);

  test("the model is downloaded once, and comes from the browser's cache after that", async () => {
    const first = await answer();
    await page.waitForFunction("isCached()");
    await open();
    expect(await answer()).toEqual(first);
    expect(downloads).toBe(1);
  });

  test.each([undefined, 1, 3])(
    "with threads: %s it finds what Node finds in one thread",
    async (threads) => {
      started = 0;
      const found = await answer(threads);
      // The page's word of its workers comes by another way than its answer.
      await expect.poll(() => started).toBe(found.threads - 1);
      const cores = await page.evaluate<number>("navigator.hardwareConcurrency");
      if (!isolated) expect(found.threads).toBe(1);
      else if (threads === undefined) expect(found.threads > 1).toBe(cores > 1);
      else expect(found.threads).toBe(threads);
      expect(found).toEqual({ ...(await onNode()), threads: found.threads });
      expect(found.tokens).toHaveLength(REQUEST.maxTokens);
    },
  );

  // A worker that is ended tells nobody, so that it is found as one that hangs is: after some seconds.
  test.each(isolated ? [true, false] : [false])(
    "an answer outlives its worker, whose end is silent: %s",
    async (silent) => {
      const { found, broken } = await page.evaluate<{
        readonly found: Found;
        readonly broken: Readonly<Record<string, number>>;
      }>(`outlive(${JSON.stringify(REQUEST)}, ${silent})`);
      expect(found).toEqual(await onNode());
      expect(broken).toMatchObject({ died: silent ? 0 : 1, stalled: silent ? 1 : 0 });
    },
  );

  // HTTP in a browser is the fetch handler, called in the page.
  test.each([
    ["an answer's loop", "leaveLoop()"],
    ["a stream of the fetch handler", "leaveHandler(true)"],
    ["the fetch handler before its answer", "leaveHandler(false)"],
  ])("whoever leaves %s frees the slot in the worker", async (_, call) => {
    const { ms, generated } = await page.evaluate<{ ms: number; generated: number }>(call);
    expect(ms).toBeLessThan(LEAVING_MS);
    // Otherwise the answer had come to its end, and nothing was shown.
    expect(generated).toBeLessThan(ENDLESS_TOKENS);
  });
});
