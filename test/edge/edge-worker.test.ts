import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import type { Miniflare } from "miniflare";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BUDGET_BYTES } from "../../adapters/workerd/budget.ts";
import { bundleEdgeWorker, DEMO, type EdgeBundle, startEdge } from "./edge-worker.ts";

const run = promisify(execFile);
const FIRST_TOKEN = fileURLToPath(new URL("first-token.mjs", import.meta.url));
const FILES = { files: { "sirocco-demo.q8_0.gguf": DEMO } };
const MESSAGES = [{ role: "user" as const, content: "What is quantization?" }];
const ANSWER = /^Quantization stores model weights with fewer bits/;
/** What a worker may weigh without its weights, compressed. */
const MOST_BUNDLE_BYTES = 2 ** 20;
/** From a client's leaving to its slot being free, with a margin for a busy machine. */
const LEAVING_MS = 500;
/** Cold starts measured; the least counts, since a busy machine only adds. */
const COLD_STARTS = 5;
const MOST_COLD_STARTS = 15;

let edge: EdgeBundle;
let worker: Miniflare;
let url: URL;

beforeAll(async () => {
  edge = await bundleEdgeWorker();
  worker = await startEdge(edge, FILES);
  url = await worker.ready;
});
afterAll(() => worker.dispose());

/** Without the end-of-sequence token an answer goes on until its limit. */
const ENDLESS = { max_tokens: 1900, logit_bias: { 2: -100 } };

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
}

interface Asked {
  readonly stream?: boolean;
  readonly signal?: AbortSignal;
  readonly more?: object;
}

function ask({ stream = false, signal, more = {} }: Asked = {}): Promise<Response> {
  return fetch(new URL("/v1/chat/completions", url), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      model: "sirocco-demo",
      messages: MESSAGES,
      temperature: 0,
      stream,
      ...more,
    }),
    ...(signal === undefined ? {} : { signal }),
  });
}

async function metric(name: string): Promise<number> {
  const text = await (await fetch(new URL("/metrics", url))).text();
  const line = text.split("\n").find((each) => each.startsWith(name));
  if (line === undefined) throw new Error(`There is no ${name} in\n${text}`);
  return Number(line.split(" ").at(-1));
}

const running = (): Promise<number> => metric("vllm:num_requests_running");

async function textOf(response: Response): Promise<string> {
  const frames = (await response.text())
    .split("\n\n")
    .filter((frame) => frame.startsWith("data: {"));
  return frames
    .map((frame) => JSON.parse(frame.slice(6)) as { choices: { delta: { content?: string } }[] })
    .map(({ choices }) => choices[0]?.delta.content ?? "")
    .join("");
}

/** The text of an answer, streamed or whole. */
async function answerOf(response: Response, { stream }: Asked): Promise<string> {
  if (stream === true) return textOf(response);
  const { choices } = (await response.json()) as {
    readonly choices: readonly { readonly message: { readonly content: string } }[];
  };
  return choices[0]!.message.content;
}

describe("the edge worker", () => {
  test("answers at once and as a stream", async () => {
    const { choices } = (await (await ask()).json()) as {
      choices: { message: { content: string } }[];
    };
    expect(choices[0]!.message.content).toMatch(ANSWER);
    expect(await textOf(await ask({ stream: true }))).toBe(choices[0]!.message.content);
  });

  test("keeps four streams at once within its budget, which it accounts", async () => {
    const texts = await Promise.all(
      Array.from({ length: 4 }, async () => textOf(await ask({ stream: true }))),
    );
    for (const text of texts) expect(text).toMatch(ANSWER);
    expect(await metric('sirocco_memory_bytes{kind="budget"}')).toBe(BUDGET_BYTES);
    const total = await metric('sirocco_memory_bytes{kind="total"}');
    expect(total).toBeGreaterThan(0);
    expect(total).toBeLessThanOrEqual(BUDGET_BYTES);
  });

  test("is small without its weights", () => {
    const bytes = gzipSync(edge.script).byteLength + gzipSync(edge.kernels).byteLength;
    expect(bytes).toBeLessThanOrEqual(MOST_BUNDLE_BYTES);
  });
});

describe("a kernel that traps in workerd (F5)", () => {
  let trapping: Miniflare;
  beforeAll(async () => {
    trapping = await startEdge(await bundleEdgeWorker("test/edge/trapping-worker.js"), FILES);
    url = await trapping.ready;
  });
  afterAll(async () => {
    url = await worker.ready;
    await trapping.dispose();
  });

  test("breaks no answer: the first of its readers loads the model again", async () => {
    const asked = Array.from({ length: 4 }, (_, seed) => ({
      stream: seed % 2 === 0,
      more: { temperature: 0.8, seed, max_tokens: 60 },
    }));
    const answers = () => Promise.all(asked.map(async (one) => answerOf(await ask(one), one)));
    const undisturbed = await answers();
    for (const calls of [300, 1500]) {
      await fetch(new URL(`/trap?calls=${calls}`, url));
      expect(await answers(), `after ${calls} calls`).toEqual(undisturbed);
    }
    const broken = 'sirocco_engines_broken_total{model_name="sirocco-demo",reason="trap"}';
    expect(await metric(broken)).toBe(2);
    expect(await metric("sirocco_migrations_total")).toBeGreaterThanOrEqual(2);
    expect((await fetch(new URL("/readyz", url))).status).toBe(200);
  });
});

describe("a client that leaves workerd", () => {
  let attentive: Miniflare;
  beforeAll(async () => {
    attentive = await startEdge(await bundleEdgeWorker("test/edge/attentive-worker.js"), FILES);
    url = await attentive.ready;
  });
  afterAll(async () => {
    url = await worker.ready;
    await attentive.dispose();
  });

  for (const stream of [true, false]) {
    const what = stream ? "a stream" : "before its answer";
    test(`frees the slot that it leaves (${what})`, async () => {
      const before = await metric("vllm:generation_tokens_total").catch(() => 0);
      const leaving = new AbortController();
      const response = ask({ stream, signal: leaving.signal, more: ENDLESS });
      response.catch(() => {});
      await until(async () => (await running()) > 0);
      leaving.abort();
      const left = performance.now();
      await until(async () => (await running()) === 0);
      expect(performance.now() - left).toBeLessThan(LEAVING_MS);
      const generated = (await metric("vllm:generation_tokens_total")) - before;
      // Otherwise the answer had come to its end, and nothing was shown.
      expect(generated).toBeLessThan(ENDLESS.max_tokens);
    });

    test(`does not stop the others, whose steps it ran (${what})`, async () => {
      const leaving = new AbortController();
      const first = ask({ stream, signal: leaving.signal, more: ENDLESS });
      first.catch(() => {});
      await until(async () => (await running()) > 0);
      const second = ask({ stream: true });
      leaving.abort();
      expect(await textOf(await second)).toMatch(ANSWER);
    });
  }
});

describe("a cold isolate", () => {
  test("says its first word within 1.5 times what Node takes in one thread", async () => {
    const node: number[] = [];
    const cold: number[] = [];
    const isProven = (): boolean => Math.min(...cold) <= 1.5 * Math.min(...node);
    // What else the machine does makes both slower, and the least of many less so.
    for (let i = 0; i < MOST_COLD_STARTS && (i < COLD_STARTS || !isProven()); i++) {
      node.push(await nodeFirstToken());
      cold.push(await coldFirstToken());
    }
    expect(isProven(), JSON.stringify({ cold, node })).toBe(true);
  });

  test("refuses a model beyond its budget by an error, not by its end", async () => {
    const script = edge.script.replace(/\b96 \* MIB\b/, "12 * MIB");
    expect(script).not.toBe(edge.script);
    const small = await startEdge({ ...edge, script }, FILES);
    try {
      const asked = { method: "POST", body: "{}", headers: { "content-type": "application/json" } };
      const chat = "http://localhost/v1/chat/completions";
      // Whoever waited for it is told as well.
      const responses = await Promise.all([1, 2, 3].map(() => small.dispatchFetch(chat, asked)));
      for (const response of responses) {
        expect(response.status).toBe(500);
        expect(await response.json()).toMatchObject({ error: { code: "insufficient_resources" } });
      }
    } finally {
      await small.dispose();
    }
  });

  test("says that there is no model in the bucket", async () => {
    const empty = await startEdge(edge, {});
    try {
      const response = await empty.dispatchFetch("http://localhost/readyz");
      expect(await response.json()).toMatchObject({ error: { code: "model_not_found" } });
    } finally {
      await empty.dispose();
    }
  });
});

/** Milliseconds from asking a new isolate to the first piece of its answer. */
async function coldFirstToken(): Promise<number> {
  const isolate = await startEdge(edge, FILES);
  try {
    await isolate.ready;
    const started = performance.now();
    const response = await isolate.dispatchFetch("http://localhost/v1/chat/completions", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: "sirocco-demo", messages: MESSAGES, stream: true }),
    });
    let text = "";
    for await (const chunk of response.body!) {
      text += new TextDecoder().decode(chunk as Uint8Array);
      if (/"content":"[^"]/.test(text)) break;
    }
    expect(text).toMatch(/"content":"[^"]/);
    return performance.now() - started;
  } finally {
    await isolate.dispose();
  }
}

/** Milliseconds for the same in a new process of Node, in one thread. */
async function nodeFirstToken(): Promise<number> {
  const { stdout } = await run(process.execPath, [FIRST_TOKEN]);
  return Number(stdout);
}
