import type { Miniflare } from "miniflare";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startServer, type ServerProcess } from "../fixtures/cli.ts";
import { bundleEdgeWorker, DEMO, startEdge } from "./edge-worker.ts";

let node: ServerProcess;
let worker: Miniflare;
let url: URL;

beforeAll(async () => {
  node = await startServer(["--threads", "1"]);
  worker = await startEdge(await bundleEdgeWorker("test/edge/pooled-worker.js"), {
    files: { "sirocco-demo.q8_0.gguf": DEMO },
    bindings: { POOL: node.url },
  });
  url = await worker.ready;
}, 60_000);
afterAll(async () => {
  await worker?.dispose();
  await node?.stop();
});

async function ask(
  content: string,
): Promise<{ by: string; kept: string; text: string; fingerprint: string }> {
  const response = await fetch(new URL("/v1/chat/completions", url), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      model: "sirocco-demo.q8_0",
      messages: [{ role: "user", content }],
      temperature: 0,
      max_tokens: 24,
    }),
  });
  const { choices, system_fingerprint: fingerprint } = (await response.json()) as {
    choices: { message: { content: string } }[];
    system_fingerprint: string;
  };
  return {
    by: response.headers.get("x-sirocco-served-by") ?? "",
    kept: response.headers.get("cache-status") ?? "",
    text: choices[0]!.message.content,
    fingerprint,
  };
}

test("a worker that loads its model is answered for by the pool, and keeps answers", async () => {
  const first = await ask("What is a KV cache?");
  expect(first.by).toMatch(/^pool;/);
  let own = first;
  for (let i = 0; !own.by.startsWith("local"); i++) {
    if (i > 200) throw new Error("the model was not loaded");
    own = await ask(`What is a canary rollout, ${i}?`);
  }
  expect(own.by).toBe("local;why=room");
  // By the weights' digest, though what the bucket tells of them is an ETag.
  expect(own.fingerprint).toBe(first.fingerprint);
  // The same weights and arithmetic: what the one answers is what the other does.
  const again = await ask("What is a KV cache?");
  expect(again.text).toBe(first.text);
  const kept = await ask("What is a KV cache?");
  expect([kept.kept.includes("hit"), kept.text]).toEqual([true, first.text]);
}, 60_000);
