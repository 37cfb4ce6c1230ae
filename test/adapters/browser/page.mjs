// What browser.test.ts calls in its page; everything comes from the package as it was built.
import { createApp, demoModel, load } from "sirocco";

const MODEL = "demo";
/** Without the end-of-sequence token (2) an answer goes on until its limit. */
const ENDLESS = {
  model: MODEL,
  messages: [{ role: "user", content: "What is quantization?" }],
  max_tokens: 1900,
  logit_bias: { 2: -100 },
};

/** Tokens and log-probabilities of an answer, and how many threads computed it. */
async function answer(request, threads) {
  const { engine, close } = await load(demoModel, threads === undefined ? {} : { threads });
  const tokens = [];
  const logprobs = [];
  for await (const event of engine.generate({ ...request, logprobs: 0 })) {
    if (event.type !== "token") continue;
    tokens.push(event.token);
    logprobs.push(event.logprob);
  }
  const found = { threads: engine.info.threads, tokens, logprobs };
  await close();
  return found;
}

/** Workers of engines, from the oldest on. */
const workers = [];
globalThis.Worker = class extends Worker {
  constructor(url, options) {
    super(url, options);
    if (String(url).endsWith("/engine-worker.js")) workers.push(this);
  }
};

/** The same where the engine's worker is gone after some tokens, and the browser says so or not. */
async function outlive(request, silent) {
  const { engine, close } = await load(demoModel, { threads: 1 });
  const tokens = [];
  const logprobs = [];
  for await (const event of engine.generate({ ...request, logprobs: 0 })) {
    if (event.type !== "token") continue;
    tokens.push(event.token);
    logprobs.push(event.logprob);
    if (tokens.length !== 20) continue;
    const worker = workers.at(-1);
    worker.terminate();
    if (!silent) worker.dispatchEvent(new ErrorEvent("error", { message: "out of memory" }));
  }
  const { broken } = engine.condition();
  await close();
  return { found: { threads: 1, tokens, logprobs }, broken };
}

/** Whether the model is in the browser's cache by now. */
async function isCached() {
  return (await caches.match(demoModel)) !== undefined;
}

/** Ask the fetch handler in this page, leave in the middle; how long until the worker's slot is free. */
async function leaveHandler(stream) {
  const { engine, tokenizer, template, close } = await load(demoModel);
  const served = {
    id: MODEL,
    created: 0,
    engine,
    tokenizer,
    template,
    contextLength: engine.info.contextLength,
    digest: "0".repeat(64),
    ownedBy: "sirocco",
  };
  const app = createApp({
    models: () => [served],
    state: () => "ready",
    version: "0",
    now: () => performance.now(),
    wallClock: () => Date.now(),
    randomId: () => crypto.randomUUID(),
    log: () => {},
  });
  const leaving = new AbortController();
  const request = new Request("https://localhost/v1/chat/completions", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ...ENDLESS, stream }),
    signal: leaving.signal,
  });
  const answered = Promise.resolve(app.fetch(request)).then((response) => response.text());
  answered.catch(() => {});
  const measured = await freed(engine, () => leaving.abort());
  await close();
  return measured;
}

/** Leave the loop over an assistant's answer; how long until the worker's slot is free. */
async function leaveLoop() {
  const { engine, chat, close } = await load(demoModel);
  const options = { maxTokens: ENDLESS.max_tokens, logitBias: [[2, -100]] };
  const pieces = chat(ENDLESS.messages, options);
  await pieces.next();
  const measured = await freed(engine, () => void pieces.return());
  await close();
  return measured;
}

async function freed(engine, leave) {
  await until(() => engine.stats().running === 1 && engine.stats().generatedTokens > 0);
  leave();
  const left = performance.now();
  await until(() => engine.stats().running === 0);
  return { ms: performance.now() - left, generated: engine.stats().generatedTokens };
}

async function until(condition) {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

Object.assign(globalThis, { answer, isCached, leaveHandler, leaveLoop, outlive });
