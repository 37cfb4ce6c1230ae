/**
 * The same measurements for wllama (llama.cpp as WebAssembly) in Chromium. Version 2 has llama-bench's loops built in. Version 3 does not:
 * there a text of n equal words is completed and llama.cpp's own timings are read, so its generation includes greedy sampling.
 *
 *     node test/peers/bench/wllama.mjs --version 2|3 --model F --threads N --tests pp128,tg64 [-r N]      -> JSON rows
 *
 * Chromium: CHROMIUM, or /usr/bin/chromium (Debian: apt-get install --no-install-recommends chromium).
 */
import { createReadStream, existsSync, readFileSync, statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { parseTest, toRow } from "./spread.mjs";

const modules = path.join(path.dirname(fileURLToPath(import.meta.url)), "..", "node_modules");
const MIME = {
  ".js": "text/javascript",
  ".wasm": "application/wasm",
  ".gguf": "application/octet-stream",
};
/** Both versions spell it as one token with its blank, in GPT-2's kind of vocabulary and in SentencePiece's. */
const WORD = " the";

const { values } = parseArgs({
  options: {
    version: { type: "string", default: "2" },
    model: { type: "string" },
    threads: { type: "string", default: "1" },
    tests: { type: "string", default: "pp128,pp512,tg64" },
    repetitions: { type: "string", short: "r", default: "3" },
  },
});
const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
if (!existsSync(executablePath)) {
  process.stderr.write(
    `Cannot measure wllama: no Chromium at ${executablePath}; install it or set CHROMIUM.\n`,
  );
  process.exit(1);
}
const threads = Number(values.threads);
const library = path.join(modules, `wllama-${values.version}`);
const { version } = JSON.parse(readFileSync(path.join(library, "package.json"), "utf8"));

/** An empty page, the library's files, and the model; isolated from other origins, or there would be no shared memory. */
const server = createServer((request, response) => {
  response.setHeader("Cross-Origin-Opener-Policy", "same-origin");
  response.setHeader("Cross-Origin-Embedder-Policy", "require-corp");
  if (request.url === "/") {
    response.setHeader("Content-Type", "text/html").end("<!doctype html><title>peer</title>");
    return;
  }
  const file =
    request.url === "/model.gguf" ? values.model : path.join(library, path.normalize(request.url));
  if (!existsSync(file)) {
    // Chromium asks for a favicon; an error for that would only clutter stderr.
    response.writeHead(request.url === "/favicon.ico" ? 204 : 404).end();
    return;
  }
  response.setHeader("Content-Type", MIME[path.extname(file)] ?? "text/plain");
  response.setHeader("Content-Length", statSync(file).size);
  createReadStream(file).pipe(response);
});

/** Runs in the page: loads the model into `window.peer`. */
async function load({ major, threads: n_threads }) {
  const { Wllama } = await import("/esm/index.js");
  const logger = { debug() {}, log() {}, warn() {}, error: console.error };
  const paths =
    major === 2
      ? {
          "single-thread/wllama.wasm": "/esm/single-thread/wllama.wasm",
          "multi-thread/wllama.wasm": "/esm/multi-thread/wllama.wasm",
        }
      : { default: "/esm/wasm/wllama.wasm" };
  const peer = new Wllama(paths, { logger, suppressNativeLog: true });
  const blob = await (await fetch("/model.gguf")).blob();
  await peer.loadModel([blob], {
    n_ctx: 1024,
    n_batch: 512,
    n_ubatch: 512,
    n_threads,
    n_gpu_layers: 0,
    n_parallel: 1,
  });
  window.peer = peer;
  return peer.getNumThreads();
}

/** Runs in the page: tokens per second of one run. */
async function speed({ major, kind, n, word, run }) {
  if (major === 2) return (n * 1000) / (await window.peer["_testBenchmark"](kind, n)).t_ms;
  // The first word differs from run to run, so that no prompt finds its beginning in the cache.
  const first = " " + String.fromCharCode(65 + (run % 26));
  const prompt = kind === "pp" ? first + word.repeat(n - 1) : first;
  const max_tokens = kind === "pp" ? 1 : n;
  const { timings } = await window.peer.createCompletion({
    prompt,
    max_tokens,
    temperature: 0,
    ignore_eos: true,
    penalty_repeat: 1,
  });
  const got = kind === "pp" ? timings.prompt_n : timings.predicted_n;
  if (Math.abs(got - n) > 2) throw new Error(`asked for ${kind}${n}, computed ${got} tokens`);
  return kind === "pp" ? timings.prompt_per_second : timings.predicted_per_second;
}

const profile = await mkdtemp(path.join(tmpdir(), "sirocco-peer-"));
let browser;
try {
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  browser = await chromium.launchPersistentContext(profile, {
    executablePath,
    args: ["--no-sandbox", "--disable-gpu"],
  });
  const page = await browser.newPage();
  page.on("pageerror", (error) => process.stderr.write(`${error}\n`));
  page.on(
    "console",
    (message) => message.type() === "error" && process.stderr.write(`${message.text()}\n`),
  );
  await page.goto(`http://localhost:${server.address().port}/`);
  const major = Number(values.version);
  const got = await page.evaluate(load, { major, threads });
  if (got !== threads) throw new Error(`Asked wllama for ${threads} threads, it runs ${got}.`);
  const rows = [];
  let run = 0;
  for (const test of values.tests.split(",")) {
    const what = { ...parseTest(test), major, word: WORD };
    await page.evaluate(speed, { ...what, run: run++ });
    const speeds = [];
    for (let i = 0; i < Number(values.repetitions); i++)
      speeds.push(await page.evaluate(speed, { ...what, run: run++ }));
    const peer = `wllama ${version} (Chromium)`;
    rows.push(
      toRow(
        {
          peer,
          model: path.basename(values.model),
          threads,
          test,
          bytesPerToken: statSync(values.model).size,
        },
        speeds,
      ),
    );
  }
  process.stdout.write(`${JSON.stringify(rows)}\n`);
} finally {
  await browser?.close();
  server.close();
  server.closeAllConnections();
  await rm(profile, { recursive: true, force: true, maxRetries: 3 });
}
