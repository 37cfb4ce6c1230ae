// What stands between the logits of a step and the next step: `npm run bench:sampling`.
//
// Rows of logits are made up: 49,152 tokens, most of them unlikely, some hundreds raised. Each figure is
// the median of rounds, in microseconds a token. The engine's parts run on a model that computes nothing.
import { setImmediate } from "node:timers/promises";
import { MessageChannel } from "node:worker_threads";
import process from "node:process";
import { toEnginePort } from "../../adapters/node/engine-port.ts";
import { createWasmBackend } from "../../backends/wasm/backend.ts";
import { answer } from "../../core/answer/answer.ts";
import type { Engine, GenerateRequest } from "../../core/engine/engine.ts";
import { hostEngine } from "../../core/engine/host.ts";
import { createEngine } from "../../core/engine/loop.ts";
import type { SteppedEngine } from "../../core/engine/stepped-engine.ts";
import { connectEngine } from "../../core/engine/remote.ts";
import type { Model } from "../../core/model/model.ts";
import { logprobOf, topLogprobs } from "../../core/sampler/logprobs.ts";
import { GREEDY, type SamplingParams } from "../../core/sampler/params.ts";
import { createSampler } from "../../core/sampler/sampler.ts";
import type { Backend } from "../../core/tensor/backend.ts";
import type { LogitSummary } from "../../core/tensor/logits.ts";
import type { Tensor } from "../../core/tensor/tensor.ts";
import type { Tokenizer } from "../../core/tokenizer/tokenizer.ts";
import { kernelModule, VARIANTS } from "../fixtures/kernels.ts";
import { createRandom } from "../fixtures/random.ts";

/** SmolLM2's. */
const VOCAB = 49_152;
const ROWS = 16;
const ROUNDS = 15;
/** Tokens of a round. */
const TOKENS = 200;

/** Microseconds of a decode step of SmolLM2-135M with one thread, and what two are to take. */
const STEPS = [3700, 2200];

const SAMPLED: SamplingParams = { ...GREEDY, temperature: 0.8, seed: 5 };
const USUAL: SamplingParams = { ...SAMPLED, topK: 40, topP: 0.95, minP: 0.05 };
const SETTINGS: Readonly<Record<string, SamplingParams>> = {
  greedy: GREEDY,
  "top-k 40, top-p 0.95, min-p 0.05": USUAL,
  "the same, penalties on 64, 20 biases": {
    ...USUAL,
    repeatPenalty: 1.1,
    frequencyPenalty: 0.1,
    presencePenalty: 0.1,
    logitBias: Array.from({ length: 20 }, (_, i) => [i * 1000, 1.5] as const),
  },
  "temperature alone": SAMPLED,
  "top-p 0.9 alone": { ...SAMPLED, topP: 0.9 },
  "min-p 0.05 alone": { ...SAMPLED, minP: 0.05 },
};

const random = createRandom(1);
const history = Array.from({ length: 300 }, () => random.int(0, VOCAB - 1));

/** Logits about as peaked as a small model's. */
function someRow(): Float32Array {
  const row = random.normals(VOCAB).map((value) => 2 * value);
  for (let i = 0; i < 300; i++) row[random.int(0, VOCAB - 1)]! += -3 * Math.log(1 - random.next());
  return row;
}

async function report(part: string, round: () => unknown): Promise<void> {
  const times: number[] = [];
  await round();
  for (let i = 0; i < ROUNDS; i++) {
    const start = performance.now();
    await round();
    times.push(((performance.now() - start) * 1000) / TOKENS);
  }
  const median = times.toSorted((a, b) => a - b)[ROUNDS >> 1]!;
  const shares = STEPS.map((step) => `${((100 * median) / step).toFixed(1)} %`.padStart(7));
  const line = `${part.padEnd(52)} ${median.toFixed(1).padStart(8)} us ${shares.join(" ")}`;
  process.stdout.write(`${line}\n`);
}

async function sampling(backend: Backend, logits: Tensor, rows: Float32Array): Promise<void> {
  for (const [name, params] of Object.entries(SETTINGS)) {
    const sampler = createSampler(params, VOCAB);
    let whole = 0;
    await report(name, async () => {
      for (let i = 0; i < TOKENS; i++) {
        const [summary] = await backend.reduce(logits, [sampler.ask(i % ROWS, history, i)]);
        if (sampler.choose(summary!, i) === undefined) {
          whole++;
          const read = await backend.read(logits);
          const row = read.subarray((i % ROWS) * VOCAB, ((i % ROWS) + 1) * VOCAB);
          sampler.chooseFromRow(row, summary!, i);
        }
      }
      // Penalties have changed the rows.
      backend.write(logits, rows);
    });
    if (whole > 0) process.stdout.write(`  of ${TOKENS * (ROUNDS + 1)} the row: ${whole}\n`);
  }
  const sampler = createSampler(USUAL, VOCAB);
  await report("top-k 40, top-p, min-p, and logprobs 5", async () => {
    for (let i = 0; i < TOKENS; i++) {
      const query = { ...sampler.ask(i % ROWS, history, i), mass: true };
      const [summary] = await backend.reduce(logits, [query]);
      sampler.choose(summary!, i);
      logprobOf(summary!, summary!.logits[0]!);
      topLogprobs(summary!, 5);
    }
  });
}

/** An engine that computes nothing and always finds the same. */
function idleEngine(): SteppedEngine {
  const output: Tensor = { label: "logits", dtype: "f32", shape: [1, VOCAB] };
  const summary: LogitSummary = {
    tokenLogits: [],
    ids: Uint32Array.of(1000, 1001, 1002, 1003, 1004),
    logits: Float32Array.of(5, 4, 3, 2, 1),
    max: 5,
    mass: 2,
    drawn: -1,
    drawnLogit: -Infinity,
  };
  const backend = {
    name: "idle",
    threads: 1,
    kvBlock: 1,
    run: (record: (ops: never) => void) => Promise.resolve(record({} as never)),
    reduce: (_: Tensor, queries: readonly unknown[]) => Promise.resolve(queries.map(() => summary)),
    memory: () => ({ weights: 0, kv: 0, activations: 0 }),
    close: () => Promise.resolve(),
  } as unknown as Backend;
  const model = {
    config: { vocabSize: VOCAB, contextLength: 4096 },
    limits: { maxRows: 64, maxLogitRows: 8, blocks: 64, blockSize: 64 },
    prepare: () => {},
    forward: () => output,
  } as unknown as Model;
  return createEngine({
    backend,
    model,
    loadMs: 0,
    maxSequences: 8,
    maxWaiting: 8,
    yieldTurn: () => setImmediate(),
    now: () => performance.now(),
  });
}

/** Five letters a token. */
const tokenizer = {
  stops: new Set([2]),
  bytes: () => Uint8Array.of(32, 119, 111, 114, 100),
  controlText: () => undefined,
} as const;

async function engines(
  decoder: () => { push(token: number): string; end(): string },
): Promise<void> {
  const request: GenerateRequest = {
    tokens: [1],
    maxTokens: TOKENS,
    sampling: GREEDY,
    stopTokens: [2],
  };
  const drain = async (engine: Engine, more: Partial<GenerateRequest> = {}): Promise<void> => {
    for await (const event of engine.generate({ ...request, ...more })) {
      if (event.type === "done") break;
    }
  };
  await report("a turn of the event loop", async () => {
    for (let i = 0; i < TOKENS; i++) await setImmediate();
  });
  const engine = idleEngine();
  await report("loop, job and stream, that turn included", () => drain(engine));
  const { port1, port2 } = new MessageChannel();
  hostEngine(engine, toEnginePort(port1));
  const remote = await connectEngine(toEnginePort(port2));
  await report("the same through a port, both ends here", () => drain(remote));
  await report("the same with logprobs 5", () => drain(remote, { logprobs: 5 }));
  const fake = { ...tokenizer, decoder } as unknown as Tokenizer;
  const { tokens: prompt, maxTokens, sampling: params } = request;
  for (const stop of [[], ["no such text"]]) {
    await report(`and as text, ${stop.length} stop strings`, async () => {
      const asked = { prompt, maxTokens, sampling: params, stop };
      for await (const event of answer(remote, fake, asked)) if (event.type === "done") break;
    });
  }
  await remote.close();
}

const { createDecoder } = await import("../../core/tokenizer/decoder.ts");
const decoder = (): ReturnType<typeof createDecoder> =>
  createDecoder({ ...tokenizer, isControl: () => false, leadingBlank: false }, [1]);

const variant = VARIANTS.find((name) => name === process.argv[2]) ?? "relaxed16";
const backend = await createWasmBackend({ module: kernelModule(variant), variant });
const logits = backend.alloc("logits", [ROWS, VOCAB]);
const rows = new Float32Array(ROWS * VOCAB);
for (let row = 0; row < ROWS; row++) rows.set(someRow(), row * VOCAB);
backend.write(logits, rows);
process.stdout.write(`${variant}, us a token, share of ${STEPS.join(" and ")} us\n`);
await sampling(backend, logits, rows);
await report("detokenise", () => {
  const stream = decoder();
  for (let i = 0; i < TOKENS; i++) stream.push(1000);
});
await engines(decoder);
