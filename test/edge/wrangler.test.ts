import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const WRANGLER = path.join(ROOT, "node_modules", "wrangler", "bin", "wrangler.js");
/** What a worker may weigh without its weights, compressed. */
const MOST_BUNDLE_BYTES = 2 ** 20;

test.for([
  ["edge-worker/wrangler.jsonc", /env\.MODELS .*R2 Bucket/],
  ["edge-worker/smollm2.jsonc", /env\.MODELS .*R2 Bucket/],
  ["edge-cache/wrangler.jsonc", /env\.FLIGHTS .*Durable Object/],
] as const)("wrangler would deploy %s", async ([config, binding]) => {
  const folder = mkdtempSync(path.join(tmpdir(), "sirocco-wrangler-"));
  try {
    const file = path.join(ROOT, "examples", config);
    const { stdout } = await run(
      process.execPath,
      [WRANGLER, "deploy", "--dry-run", "--outdir", folder, "--config", file],
      { env: { ...process.env, WRANGLER_SEND_METRICS: "false", WRANGLER_LOG_PATH: folder } },
    );
    expect(stdout).toContain("--dry-run: exiting now");
    expect(stdout).toMatch(binding);
    const uploaded = readdirSync(folder).filter((name) => /\.(js|wasm)$/.test(name));
    expect(uploaded).toHaveLength(2);
    const bytes = uploaded.map(
      (name) => gzipSync(readFileSync(path.join(folder, name))).byteLength,
    );
    expect(bytes[0]! + bytes[1]!).toBeLessThanOrEqual(MOST_BUNDLE_BYTES);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
