/**
 * llama.cpp through node-llama-cpp's own classes behind hono: `POST /v1/completions`, streamed, greedy. Its context has a sequence per slot
 * and batches what they compute at the same time, as its documentation advises for servers.
 *
 *     node test/peers/llama/server.mjs MODEL THREADS SLOTS CONTEXT PORT
 */
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { streamSSE } from "hono/streaming";
import { getLlama, LlamaCompletion, LlamaLogLevel } from "node-llama-cpp";

const [, , modelPath, threads, slots, contextSize, port] = process.argv;
const llama = await getLlama({
  gpu: false,
  build: "never",
  logLevel: LlamaLogLevel.error,
  progressLogs: false,
});
const model = await llama.loadModel({ modelPath });
const context = await model.createContext({
  contextSize: Number(contextSize),
  sequences: Number(slots),
  threads: { ideal: Number(threads), min: Number(threads) },
});
const free = Array.from(
  { length: Number(slots) },
  () => new LlamaCompletion({ contextSequence: context.getSequence() }),
);
const waiting = [];

async function withSlot(use) {
  const slot = free.pop() ?? (await new Promise((resolve) => waiting.push(resolve)));
  try {
    return await use(slot);
  } finally {
    const next = waiting.shift();
    if (next === undefined) free.push(slot);
    else next(slot);
  }
}

const app = new Hono();
app.get("/health", (c) => c.json({ status: "ok" }));
app.post("/v1/completions", async (c) => {
  const { prompt, max_tokens: maxTokens } = await c.req.json();
  return streamSSE(c, (stream) =>
    withSlot(async (completion) => {
      const writes = [];
      await completion.generateCompletion(prompt, {
        maxTokens,
        temperature: 0,
        onTextChunk(text) {
          writes.push(stream.writeSSE({ data: JSON.stringify({ choices: [{ index: 0, text }] }) }));
        },
      });
      await Promise.all(writes);
      await stream.writeSSE({ data: "[DONE]" });
    }),
  );
});
serve({ fetch: app.fetch, hostname: "127.0.0.1", port: Number(port) });
