import { copyFileSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Miniflare } from "miniflare";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bundleEdgeWorker, DEMO, type EdgeBundle, restartEdge, startEdge } from "./edge-worker.ts";

const KEY = "sirocco-demo.q8_0.gguf";
const FILES = { [KEY]: DEMO };
const ANSWER = /^Quantization stores model weights with fewer bits/;

let edge: EdgeBundle;
let folder: string;
beforeAll(async () => {
  edge = await bundleEdgeWorker("test/edge/sources-worker.js");
  folder = mkdtempSync(path.join(tmpdir(), "sirocco-assets-"));
  copyFileSync(DEMO, path.join(folder, KEY));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Asked {
  readonly status: number;
  readonly body: {
    readonly choices?: readonly { readonly message: { readonly content: string } }[];
    readonly error?: { readonly code: string };
  };
}

async function ask(worker: Miniflare, source: string): Promise<Asked> {
  const response = await worker.dispatchFetch("http://localhost/v1/chat/completions", {
    method: "POST",
    headers: { "content-type": "application/json", "x-source": source },
    body: JSON.stringify({
      model: "sirocco-demo",
      messages: [{ role: "user", content: "What is quantization?" }],
      temperature: 0,
    }),
  });
  return { status: response.status, body: (await response.json()) as Asked["body"] };
}

async function expectAnswer(worker: Miniflare, source: string): Promise<void> {
  const { body } = await ask(worker, source);
  expect(body.choices?.[0]?.message.content, JSON.stringify(body)).toMatch(ANSWER);
}

test("a stream of R2 that breaks off goes on where it was", async () => {
  const worker = await startEdge(edge, { files: FILES });
  try {
    await expectAnswer(worker, "r2 that breaks");
  } finally {
    await worker.dispose();
  }
});

test("a stream of R2 that breaks off again and again is an error, and the next request tries anew", async () => {
  const worker = await startEdge(edge, { files: FILES });
  try {
    const { status, body } = await ask(worker, "r2 that breaks for ever");
    expect(status).toBe(500);
    expect(body.error).toMatchObject({ code: "internal_error" });
    await expectAnswer(worker, "r2");
  } finally {
    await worker.dispose();
  }
});

test("the Cache API is filled by the first isolate, and serves the next without the bucket", async () => {
  const worker = await startEdge(edge, { files: FILES });
  try {
    await expectAnswer(worker, "cache");
    const cache = (await worker.getCaches()).default;
    let cached = 0;
    while (cached === 0) {
      const found = await cache.match("https://models.invalid/demo.gguf");
      cached = (await found?.arrayBuffer())?.byteLength ?? 0;
    }
    expect(cached).toBe(statSync(DEMO).size);
    await (await worker.getR2Bucket("MODELS")).delete(KEY);
    await restartEdge(worker, edge, {});
    await expectAnswer(worker, "cache");
    // Without the cache there is nothing left.
    await restartEdge(worker, edge, {});
    expect((await ask(worker, "r2")).body.error).toMatchObject({ code: "model_not_found" });
  } finally {
    await worker.dispose();
  }
});

test("static assets serve weights", async () => {
  const worker = await startEdge(edge, {
    assets: folder,
    // Assets are sent without a length.
    bindings: { SIZE: statSync(DEMO).size },
  });
  try {
    await expectAnswer(worker, "assets");
  } finally {
    await worker.dispose();
  }
});
