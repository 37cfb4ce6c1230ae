/** Starts the cases in each runtime and brings their findings back. */
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Miniflare } from "miniflare";
import { chromium } from "playwright-core";
import { VARIANTS } from "../fixtures/variants.ts";
import { CHROMIUM, type ScriptRuntime } from "../fixtures/runtimes.ts";
import { bundle } from "./bundle.ts";
import { type Findings, MARK, type Task } from "./environment.ts";

const execute = promisify(execFile);
/** Findings are short; what else a runtime prints should be, too. */
const MAX_OUTPUT_BYTES = 2 ** 24;

/** In a runtime that takes a script. */
export async function runScript(
  { name, binary, arguments: before }: ScriptRuntime,
  script: string,
  task: Task,
): Promise<Findings> {
  if (!existsSync(binary)) throw new Error(`${name} is missing: ${binary}`);
  const { stdout } = await execute(binary, [...before, script, JSON.stringify(task)], {
    maxBuffer: MAX_OUTPUT_BYTES,
    env: { ...process.env, NO_COLOR: "1" },
  });
  const line = stdout.split("\n").find((text) => text.startsWith(MARK));
  if (line === undefined) throw new Error(`${name} printed no findings:\n${stdout}`);
  return JSON.parse(line.slice(MARK.length)) as Findings;
}

/** In workerd, through miniflare. */
export async function runWorkerd(task: Task): Promise<Findings> {
  const script = readFileSync(await bundle("test/runtimes/worker.ts", "worker"), "utf8");
  const kernels = fileURLToPath(new URL("../../kernels-simd/wasm", import.meta.url));
  const modules = VARIANTS.map((variant) => ({
    type: "CompiledWasm" as const,
    path: `${variant}.wasm`,
    contents: readFileSync(join(kernels, `${variant}.wasm`)),
  }));
  const miniflare = new Miniflare({
    modules: [{ type: "ESModule", path: "worker.js", contents: script }, ...modules],
    compatibilityDate: "2026-07-01",
    compatibilityFlags: ["enable_request_signal"],
    cf: false,
  });
  try {
    const response = await miniflare.dispatchFetch("http://localhost/", {
      method: "POST",
      body: JSON.stringify(task),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`workerd answered ${response.status}: ${text}`);
    return JSON.parse(text) as Findings;
  } finally {
    await miniflare.dispose();
  }
}

/** In Chromium, on a page that the task's server serves. */
export async function runChromium(task: Task): Promise<Findings> {
  await bundle("test/runtimes/page.ts", "page");
  const profile = mkdtempSync(join(tmpdir(), "sirocco-chromium-"));
  const browser = await chromium.launchPersistentContext(profile, {
    executablePath: CHROMIUM,
    args: ["--no-sandbox"],
  });
  try {
    const page = await browser.newPage();
    await page.goto(`${task.base}/page.html`);
    const run = `run(${JSON.stringify(task)})`;
    if (!(await page.evaluate<boolean>("crossOriginIsolated"))) throw new Error("Not isolated");
    return await page.evaluate<Findings>(run);
  } finally {
    await browser.close();
    rmSync(profile, { recursive: true, force: true });
  }
}
