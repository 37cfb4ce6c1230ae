import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fileDigest } from "../../adapters/node/digest.ts";
import { openModel } from "../../adapters/node/header.ts";
import { loadLocal } from "../../adapters/node/load.ts";
import { GREEDY } from "../../core/sampler/params.ts";
import { loraBytes, memoryLora } from "../fixtures/memory-lora.ts";
import { bundleEdgeWorker, DEMO, type EdgeBundle, startEdge } from "./edge-worker.ts";

const KEY = "sirocco-demo.q8_0.gguf";
const PROMPT = "Once upon a time";

let edge: EdgeBundle;
let folder = "";
let file = "";
beforeAll(async () => {
  edge = await bundleEdgeWorker("test/edge/lora-worker.js");
  folder = await mkdtemp(join(tmpdir(), "sirocco-edge-lora-"));
  file = join(folder, "tales.gguf");
  const { gguf } = await openModel(DEMO);
  await writeFile(file, loraBytes(memoryLora(gguf, { seed: 5, rank: 6, alpha: 12 })));
  await gguf.close();
});
afterAll(() => rm(folder, { recursive: true }));

/** The answer of Node to the same, by token. */
async function answerHere(scale: number): Promise<string> {
  const lora = [{ name: "tales", location: file }];
  const model = await loadLocal({ model: DEMO, backend: "wasm", threads: 1, lora });
  const { engine, tokenizer } = model;
  const tokens = tokenizer.encode(PROMPT);
  if (tokenizer.addBos && tokenizer.bos !== undefined) tokens.unshift(tokenizer.bos);
  const decoder = tokenizer.decoder();
  let text = "";
  for await (const event of engine.generate({
    tokens,
    maxTokens: 12,
    sampling: GREEDY,
    stopTokens: [...tokenizer.stops],
    lora: [{ name: "tales", scale }],
  })) {
    if (event.type === "token") text += decoder.push(event.token);
  }
  await model.close();
  return `${text}${decoder.end()}`.trim();
}

test("an edge worker answers with an adapter from its bucket as Node does", async () => {
  const worker = await startEdge(edge, { files: { [KEY]: DEMO, "tales.gguf": file } });
  const ask = async (model: string): Promise<string> => {
    const response = await worker.dispatchFetch("http://localhost/v1/completions", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model, prompt: PROMPT, max_tokens: 12, temperature: 0 }),
    });
    const body = (await response.json()) as { choices?: readonly { text: string }[] };
    // The space before the first word is no part of a text that stands alone.
    return body.choices?.[0]?.text.trim() ?? JSON.stringify(body);
  };
  try {
    const [alone, adapted] = [await ask("demo"), await ask("demo:tales")];
    expect(adapted).not.toBe(alone);
    expect(adapted).toBe(await answerHere(0.5));
    expect(alone).toBe(await answerHere(0));
    const list = await worker.dispatchFetch("http://localhost/v1/models");
    const { data } = (await list.json()) as {
      data: readonly { id: string; sirocco: { digest: string; lora?: readonly object[] } }[];
    };
    const digest = await fileDigest([file]);
    expect(data[0]?.sirocco.lora).toEqual([{ id: 0, name: "tales", scale: 0.5, digest }]);
  } finally {
    await worker.dispose();
  }
}, 60_000);

test("an edge worker whose adapter is not there says so", async () => {
  const worker = await startEdge(edge, { files: { [KEY]: DEMO } });
  try {
    const response = await worker.dispatchFetch("http://localhost/v1/completions", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: "demo", prompt: PROMPT, max_tokens: 2 }),
    });
    expect(await response.text()).toMatch(/Cannot load the adapter tales/);
  } finally {
    await worker.dispose();
  }
}, 60_000);
