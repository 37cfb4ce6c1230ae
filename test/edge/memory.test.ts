import { existsSync } from "node:fs";
import type { Miniflare } from "miniflare";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BUDGET_BYTES } from "../../adapters/workerd/budget.ts";
import { bundleEdgeWorker, DEMO, type EdgeBundle, restartEdge, startEdge } from "./edge-worker.ts";
import { heapUsage } from "./heap.ts";
import { EDGE_MODEL } from "./model/files.ts";

const required = process.env["CI"] !== undefined && process.env["CI"] !== "";
const MODELS = [
  { name: "the demo model", file: DEMO, present: true },
  {
    name: "SmolLM2-135M in the mix for edge workers",
    file: EDGE_MODEL,
    present: existsSync(EDGE_MODEL) || required,
  },
];
const STREAMS = 4;
/** Isolates asked with a snapshot, and as many without. */
const ISOLATES = 2;

let edge: EdgeBundle;
beforeAll(async () => {
  // workerd takes V8's flags from nowhere else. Without collections V8 counts garbage.
  process.env["MINIFLARE_WORKERD_V8_FLAGS"] = "--expose-gc";
  edge = await bundleEdgeWorker("test/edge/warm-worker.js");
});
afterAll(() => {
  delete process.env["MINIFLARE_WORKERD_V8_FLAGS"];
});

describe.for(MODELS)("$name", ({ name, file, present }) => {
  const suite = present ? test : test.skip;
  const why = present ? "" : " (skipped: run `npm run model:smollm2` and `npm run model:edge`)";
  const options = {
    files: { model: file },
    inspected: true,
    bindings: { OPTIONS: { file: "model", warm: true } },
  };
  let worker: Miniflare;
  beforeAll(async () => {
    if (present) worker = await startEdge(edge, options);
    // Weights of 80 MB are put into the bucket first.
  }, 60_000);
  afterAll(() => worker?.dispose());

  suite(`keeps four streams within the budget, JavaScript within its part${why}`, async () => {
    const answers = await Promise.all(
      Array.from({ length: STREAMS }, async (_, i) => ask(worker, `How does boat ${i} sail?`)),
    );
    for (const { text } of answers) expect(text.length).toBeGreaterThan(20);
    const js = await aliveBytes(worker);
    const memory = await memoryOf(worker);
    console.log(name, { ...memory, js });
    expect(js).toBeLessThanOrEqual(memory["js_reserved"]!);
    // A bound that is far off takes room from models.
    expect(js).toBeGreaterThan(memory["js_reserved"]! / 2.5);
    expect(js + memory["wasm"]!).toBeLessThanOrEqual(BUDGET_BYTES);
    expect(memory["total"]).toBeLessThanOrEqual(BUDGET_BYTES);
  });

  suite(`answers the same from a snapshot as without${why}`, async () => {
    const question = "Which boat is the fastest?";
    const saved = await savedVersion(worker);
    expect(saved).toBeDefined();
    const times = { cold: [] as number[], warm: [] as number[] };
    const texts = new Set<string>();
    for (let i = 0; i < ISOLATES; i++) {
      for (const warm of [false, true]) {
        const bindings = { OPTIONS: { file: "model", warm } };
        await restartEdge(worker, edge, { ...options, bindings });
        const { text, firstMs, cached } = await ask(worker, question);
        texts.add(text);
        times[warm ? "warm" : "cold"].push(firstMs);
        expect(cached).toBeGreaterThanOrEqual(48);
        // An isolate that had to compute its snapshot would have written it again.
        expect(await savedVersion(worker)).toBe(saved);
      }
    }
    expect(texts.size).toBe(1);
    console.log(name, "ms from a new isolate to the first token", times);
  });

  suite(`computes anew what is no snapshot of its own${why}`, async () => {
    const stored = async (): Promise<Uint8Array> => {
      // An isolate's end takes what was got of its storage with it.
      const object = await (await worker.getR2Bucket("MODELS")).get("model.kv");
      return new Uint8Array(await object!.arrayBuffer());
    };
    const good = await stored();
    await restartEdge(worker, edge, options);
    const { text } = await ask(worker, "What is a keel?");
    const broken = good.slice();
    broken[good.byteLength - 1]! ^= 1;
    for (const bytes of [broken, new Uint8Array(3), good.subarray(0, 1000)]) {
      await (await worker.getR2Bucket("MODELS")).put("model.kv", bytes);
      await restartEdge(worker, edge, options);
      expect((await ask(worker, "What is a keel?")).text).toBe(text);
      // It is written anew once the answer is out.
      let saved: Uint8Array | undefined;
      while (saved?.byteLength !== good.byteLength || saved.at(-1) !== good.at(-1)) {
        saved = await stored();
      }
      expect(saved).toEqual(good);
    }
  });
});

interface Answer {
  readonly text: string;
  /** Milliseconds to the first text. */
  readonly firstMs: number;
  /** Tokens of the prompt that were not computed. */
  readonly cached: number;
}

async function ask(worker: Miniflare, question: string): Promise<Answer> {
  await worker.ready;
  const started = performance.now();
  const response = await worker.dispatchFetch("http://localhost/v1/chat/completions", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      model: "model",
      messages: [
        { role: "system", content: SYSTEM },
        { role: "user", content: question },
      ],
      temperature: 0,
      max_tokens: 24,
      stream: true,
      stream_options: { include_usage: true },
    }),
  });
  let received = "";
  let firstMs = 0;
  const decoder = new TextDecoder();
  for await (const chunk of response.body!) {
    received += decoder.decode(chunk as Uint8Array, { stream: true });
    if (firstMs === 0 && /"content":"[^"]/.test(received)) firstMs = performance.now() - started;
  }
  const events = received
    .split("\n\n")
    .filter((frame) => frame.startsWith("data: {"))
    .map((frame) => JSON.parse(frame.slice(6)) as StreamEvent);
  const usage = events.findLast((event) => event.usage)?.usage;
  return {
    text: events.map(({ choices }) => choices[0]?.delta?.content ?? "").join(""),
    firstMs,
    cached: usage?.prompt_tokens_details?.cached_tokens ?? 0,
  };
}

interface StreamEvent {
  readonly choices: readonly { readonly delta?: { readonly content?: string } }[];
  readonly usage?: { readonly prompt_tokens_details?: { readonly cached_tokens?: number } };
}

/** The system prompt of warm-worker.js. */
const SYSTEM = [
  "You answer questions about sailing boats in short sentences.",
  "You never give medical advice, and you say so when you are asked.",
  "You name the wind by its direction and by its force.",
  "You prefer metres to feet, and knots to kilometres per hour.",
  "You tell beginners to wear a life jacket before all else.",
].join(" ");

/** Which snapshot the bucket holds: each that is written has a version of its own. */
async function savedVersion(worker: Miniflare): Promise<string | undefined> {
  return (await (await worker.getR2Bucket("MODELS")).head("model.kv"))?.version;
}

/** Bytes that JavaScript has alive. */
async function aliveBytes(worker: Miniflare): Promise<number> {
  await (await worker.dispatchFetch("http://localhost/gc")).text();
  const { usedSize, backingStorageSize } = await heapUsage(worker);
  return usedSize + backingStorageSize;
}

/** The worker's own account, by kind. */
async function memoryOf(worker: Miniflare): Promise<Record<string, number>> {
  const text = await (await worker.dispatchFetch("http://localhost/metrics")).text();
  const lines = text.matchAll(/^sirocco_memory_bytes\{kind="(\w+)"\} (\d+)$/gm);
  return Object.fromEntries([...lines].map(([, kind, bytes]) => [kind!, Number(bytes)]));
}
