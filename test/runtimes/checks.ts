/** Cases that are small: each gives a text that has to be the same in every runtime, or throws. */
import { createReferenceBackend } from "../../backends/reference/backend.ts";
import { createWasmBackend } from "../../backends/wasm/backend.ts";
import { selectKernels, type KernelBuild } from "../../backends/wasm/select.ts";
import { loadFrom } from "../../adapters/portable/load-model.ts";
import { createApp, type App } from "../../core/http/app.ts";
import type { Engine } from "../../core/engine/engine.ts";
import { openGguf } from "../../core/gguf/parse.ts";
import { loadModel } from "../../core/model/load.ts";
import { dequantize } from "../../core/quant/dequantize.ts";
import type { Backend } from "../../core/tensor/backend.ts";
import { WEIGHT_TYPES, type WeightType } from "../../core/tensor/dtype.ts";
import { createTokenizer } from "../../core/tokenizer/create.ts";
import { createRandom } from "../fixtures/random.ts";
import { randomWeight } from "../fixtures/random-weights.ts";
import { createRunner } from "../fixtures/runner.ts";
import { type Environment, sha256, sha256Text } from "./environment.ts";
import { PROMPTS } from "./prompts.ts";

/** Random f32 weights go through `Math.log`, whose last bits differ between engines: compared, not hashed. */
const HASHED_TYPES = (Object.keys(WEIGHT_TYPES) as WeightType[]).filter(
  (type) => !["f32", "f16", "bf16"].includes(type),
);
/** Activations become 8-bit integers. */
const MATMUL_TOLERANCE = 1e-2;
/** Largest error of a logit of the demo model, as in test/backends/wasm-goldens.test.ts. */
const LOGIT_TOLERANCE = 0.35;
/** How long after a client has left a slot may be taken: a step of the demo model takes some 5 ms. */
const LEAVING_MS = 500;

/** The build that the start-up probe chooses is sound, whichever it is. */
export async function kernelsAgree({ kernels }: Environment): Promise<string> {
  const { reason } = await selectKernels(kernels, () => performance.now());
  if (reason.includes("wrongly")) throw new Error(reason);
  return "sound";
}

/** Products with every quantised weight type: right against float64, the same bits in every build. */
export async function products({ kernels }: Environment): Promise<string> {
  const digests: string[] = [];
  for (const build of kernels) {
    const backend = await createWasmBackend(build);
    const outputs: string[] = [];
    for (const type of HASHED_TYPES) outputs.push(await product(backend, type));
    await backend.close();
    digests.push(await sha256Text(outputs.join(" ")));
  }
  if (new Set(digests).size !== 1) throw new Error(`Builds differ: ${digests.join(", ")}`);
  return digests[0]!;
}

async function product(backend: Backend, type: WeightType): Promise<string> {
  const [rows, width, n] = [37, 512, 5];
  const random = createRandom(WEIGHT_TYPES[type].id);
  const bytes = randomWeight(random, type, rows * width);
  const weights = new Float32Array(rows * width);
  dequantize(type, bytes, weights);
  const weight = await backend.loadWeight(type, type, [rows, width], (offset, into) => {
    into.set(bytes.subarray(offset, offset + into.byteLength));
    return Promise.resolve();
  });
  const values = Float32Array.from({ length: n * width }, () => random.next() - 0.5);
  const x = backend.alloc("x", [n, width]);
  const out = backend.alloc("out", [n, rows]);
  backend.write(x, values);
  await backend.run((ops) => ops.matmul(x, [{ weight, out }]));
  const actual = (await backend.read(out)).slice();
  let error = 0;
  let size = 0;
  for (let i = 0; i < n * rows; i++) {
    const [row, m] = [Math.floor(i / rows), i % rows];
    let expected = 0;
    for (let c = 0; c < width; c++) expected += values[row * width + c]! * weights[m * width + c]!;
    error += (actual[i]! - expected) ** 2;
    size += expected ** 2;
  }
  const relative = Math.sqrt(error / size);
  if (!(relative <= MATMUL_TOLERANCE)) throw new Error(`${type}: relative error ${relative}`);
  return sha256(new Uint8Array(actual.buffer));
}

/** A whole step of the demo model, all operations, on the kernels and on the reference backend. */
export async function stepMatchesReference(environment: Environment): Promise<string> {
  const expected = await demoLogits(environment, createReferenceBackend());
  for (const build of environment.kernels) {
    const actual = await demoLogits(environment, await createWasmBackend(build));
    const error = Math.max(...actual.map((logit, i) => Math.abs(logit - expected[i]!)));
    if (!(error <= LOGIT_TOLERANCE)) throw new Error(`${build.variant}: logits differ by ${error}`);
  }
  return "within tolerance";
}

async function demoLogits(environment: Environment, backend: Backend): Promise<Float32Array> {
  const gguf = await openGguf(await environment.model("demo"));
  const limits = { maxRows: 32, maxLogitRows: 1, blocks: 4, blockSize: 16 };
  const model = await loadModel(gguf, backend, limits);
  const tokenizer = createTokenizer(gguf.metadata);
  await gguf.close();
  const tokens = [tokenizer.bos!, ...tokenizer.encode("Once upon a time there was a little girl")];
  const [[logits]] = (await createRunner(backend, model).step([{ sequence: 0, tokens }])) as [
    [Float32Array],
  ];
  const copy = logits.slice();
  await backend.close();
  return copy;
}

/** Texts become the same tokens, and the tokens the same text. */
export async function tokenizerRoundTrip(environment: Environment): Promise<string> {
  const gguf = await openGguf(await environment.model("demo"));
  await gguf.close();
  const tokenizer = createTokenizer(gguf.metadata);
  const encoded = PROMPTS.map((text) => {
    const tokens = tokenizer.encode(text);
    const decoder = tokenizer.decoder();
    const decoded = tokens.map((token) => decoder.push(token)).join("") + decoder.end();
    if (decoded.trim() !== text.trim()) throw new Error(`"${text}" came back as "${decoded}"`);
    return tokens.join(",");
  });
  return sha256Text(encoded.join(" "));
}

const ASKED = {
  model: "demo",
  messages: [{ role: "user", content: "What is quantization?" }],
  temperature: 0,
};

/** A conversation through the fetch handler, whole and as a stream. */
export async function conversation(environment: Environment): Promise<string> {
  const { app, engine } = await demoApp(environment);
  const whole = await ask(app, ASKED);
  const { choices } = (await whole.json()) as { choices: { message: { content: string } }[] };
  const text = choices[0]?.message.content ?? "";
  const stream = await ask(app, { ...ASKED, stream: true });
  const frames = (await stream.text()).split("\n\n").filter((frame) => frame.startsWith("data: {"));
  const pieces = frames.map((frame) => {
    const chunk = JSON.parse(frame.slice("data: ".length)) as {
      choices: { delta: { content?: string } }[];
    };
    return chunk.choices[0]?.delta.content ?? "";
  });
  await engine.close();
  if (pieces.join("") !== text)
    throw new Error(`The stream said "${pieces.join("")}", not "${text}"`);
  return text;
}

/** A client that leaves in the middle of a stream frees its slot. */
export async function leaving(environment: Environment): Promise<string> {
  const { app, engine } = await demoApp(environment);
  const request = { ...ASKED, stream: true, max_tokens: 3000, logit_bias: { "2": -100 } };
  const response = await ask(app, request);
  const reader = response.body!.getReader();
  await reader.read();
  if (engine.stats().running !== 1) throw new Error("The answer ended before its client left");
  const before = engine.stats().steps;
  const left = performance.now();
  void reader.cancel();
  while (engine.stats().running > 0) {
    if (performance.now() - left > LEAVING_MS) throw new Error("The slot is still taken");
    await environment.yieldTurn();
  }
  const steps = engine.stats().steps - before;
  if (steps > 1) throw new Error(`The slot was taken for ${steps} more steps`);
  await engine.close();
  return "freed within a step";
}

async function demoApp(environment: Environment): Promise<{ app: App; engine: Engine }> {
  const model = await loadFrom(await environment.model("demo"), {
    kernels: () => Promise.resolve(environment.kernels.at(-1) as KernelBuild),
    yieldTurn: () => environment.yieldTurn(),
  });
  const { engine } = model;
  const served = {
    ...model,
    id: "demo",
    created: 0,
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
  return { app, engine };
}

async function ask(app: App, body: object): Promise<Response> {
  const response = await app.fetch(
    new Request("http://localhost/v1/chat/completions", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    }),
  );
  if (!response.ok)
    throw new Error(`The handler answered ${response.status}: ${await response.text()}`);
  return response;
}
