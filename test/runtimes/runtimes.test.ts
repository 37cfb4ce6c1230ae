import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CHROMIUM, isMissing, SCRIPT_RUNTIMES } from "../fixtures/runtimes.ts";
import { hasStories260k, stories260kGguf } from "../fixtures/stories260k.ts";
import { BUNDLES, bundle } from "./bundle.ts";
import { type Findings, type ModelName, MODEL_NAMES, type Task } from "./environment.ts";
import { runChromium, runScript, runWorkerd } from "./run.ts";
import { type FileServer, serveFiles } from "./serve-files.ts";
import { tableOf, toTable, withTable } from "./table.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const FILES: Readonly<Record<ModelName, string>> = {
  stories260K: join(BUNDLES, "stories260K.gguf"),
  demo: join(ROOT, "examples/demo-model/sirocco-demo.q8_0.gguf"),
  smollm2: join(ROOT, ".cache/models/SmolLM2-135M-Instruct.Q4_1.gguf"),
};
/** Prompts of each kind for the real model; 20 take some minutes over all runtimes. */
const PROMPTS = Number(process.env["SIROCCO_IDENTITY_PROMPTS"] ?? 2);
/** For one runtime: the real model on a busy machine. */
const TIMEOUT_MS = 240_000 + PROMPTS * 30_000;

interface Runtime {
  readonly name: string;
  readonly binary: string;
  run(task: Task): Promise<Findings>;
}

/** Runs the cases in a worker, as what computes does in a browser. */
const PAGE = `<script type="module">
  globalThis.run = (task) =>
    new Promise((resolve, reject) => {
      const worker = new Worker("page.js", { type: "module" });
      worker.addEventListener("message", ({ data }) => resolve(data));
      worker.addEventListener("error", ({ message }) => reject(new Error(message)));
      worker.postMessage(task);
    });
</script>`;

let script = "";
const RUNTIMES: readonly Runtime[] = [
  ...SCRIPT_RUNTIMES.map((runtime) => ({
    name: runtime.name,
    binary: runtime.binary,
    run: (task: Task) => runScript(runtime, script, task),
  })),
  { name: "workerd", binary: process.execPath, run: runWorkerd },
  { name: "Chromium", binary: CHROMIUM, run: runChromium },
];

let server: FileServer | undefined;
let task: Task = { base: "", models: [], prompts: PROMPTS };
/** The first runtime that was there; the others must find what it found. */
let expected: Findings | undefined;
/** By the runtime's name. */
const found = new Map<string, Findings>();

beforeAll(async () => {
  mkdirSync(BUNDLES, { recursive: true });
  if (hasStories260k) writeFileSync(FILES.stories260K, stories260kGguf());
  script = await bundle("test/runtimes/main.ts", "script");
  // The bundle looks for it beside itself.
  await bundle("adapters/node/compute-thread.ts", "script");
  await bundle("adapters/browser/compute-thread.ts", "page");
  server = await serveFiles((path) => {
    const [, folder, name = ""] = /^\/(?:(\w+)\/)?([\w.-]+)$/.exec(path) ?? [];
    if (folder === "models") return { file: FILES[name as ModelName] };
    if (folder === "kernels") return { file: join(ROOT, "kernels-simd/wasm", name) };
    if (name.endsWith(".js")) return { file: join(BUNDLES, "page", name) };
    if (name === "page.html") return { text: PAGE };
    return undefined;
  });
  task = {
    ...task,
    base: server.base,
    models: MODEL_NAMES.filter((name) => existsSync(FILES[name])),
  };
});

afterAll(() => server?.close());

describe.for([...RUNTIMES])("in $name", (runtime) => {
  const { name, binary } = runtime;
  const missing = isMissing(binary);
  test.skipIf(missing)(
    `every case finds what it finds elsewhere${missing ? ` (skipped: there is no ${binary})` : ""}`,
    { timeout: TIMEOUT_MS },
    async () => {
      const findings = await runtime.run(task);
      found.set(name, findings);
      const failures = Object.entries(findings).filter(([, finding]) => "error" in finding);
      expect(failures).toEqual([]);
      expected ??= findings;
      expect(findings).toEqual(expected);
    },
  );
});

const partial = RUNTIMES.some(({ binary }) => isMissing(binary));
test.skipIf(partial)("the README's table says what was found", () => {
  const readme = join(ROOT, "README.md");
  const text = readFileSync(readme, "utf8");
  const table = toTable(found);
  const absent = MODEL_NAMES.filter((name) => !task.models.includes(name));
  if (process.env["SIROCCO_UPDATE_README"] === "1") {
    expect(absent, "the whole table needs every model").toEqual([]);
    writeFileSync(readme, withTable(text, table));
  } else {
    expect(tableOf(text, absent), "run it with SIROCCO_UPDATE_README=1").toBe(table);
  }
});
