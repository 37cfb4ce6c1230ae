import type { Engine } from "../../core/engine/engine.ts";
import { createEngine } from "../../core/engine/loop.ts";
import type { GgufModel } from "../../core/gguf/gguf.ts";
import { openGguf } from "../../core/gguf/parse.ts";
import { loadModel } from "../../core/model/load.ts";
import type { Model } from "../../core/model/model.ts";
import type { SamplingParams } from "../../core/sampler/params.ts";
import { GREEDY } from "../../core/sampler/params.ts";
import type { Backend } from "../../core/tensor/backend.ts";
import { createTokenizer } from "../../core/tokenizer/create.ts";
import { watchLogits } from "../fixtures/watch-logits.ts";
import { type Environment, type ModelName, sha256, sha256Text } from "./environment.ts";
import { PROMPTS } from "./prompts.ts";

/** How a model is run; none of it may show in the logits. */
export interface Schedule {
  /** Sequences computed together. */
  readonly batch: number;
  /** Rows of a prompt in one step. */
  readonly chunk: number;
  /** How many of the prompts. */
  readonly prompts: number;
}

/** A loaded model that runs by any schedule. */
export interface IdentityRig {
  /** SHA-256 over all logits from which a token was chosen, and over the tokens. */
  digest(schedule: Schedule, sampling: SamplingParams): Promise<string>;
  close(): Promise<void>;
}

export const SAMPLINGS = {
  greedy: GREEDY,
  seeded: { ...GREEDY, temperature: 0.8, topK: 40, topP: 0.95, minP: 0.02, seed: 20_26 },
} satisfies Record<string, SamplingParams>;

const MAX_TOKENS = 64;
/** Sequences that any schedule computes together, and cache for all of them: nothing is preempted. */
const MAX_BATCH = 8;
const LIMITS = { maxRows: 64, maxLogitRows: MAX_BATCH, blocks: 128, blockSize: 16 };

/** Load a model into a backend, which the rig closes. */
export async function createIdentityRig(
  environment: Environment,
  name: ModelName,
  create: () => Promise<Backend>,
): Promise<IdentityRig> {
  const gguf = await openGguf(await environment.model(name));
  const backend = await create();
  const model = await loadModel(gguf, backend, LIMITS);
  await gguf.close();
  const prompts = encodePrompts(gguf);
  return {
    async digest({ batch, chunk, prompts: count }, sampling) {
      const waves: Promise<string>[] = [];
      // Whatever the batch, digests are of eight prompts at a time, so that they compare.
      for (let first = 0; first < count; first += MAX_BATCH) {
        const wave = prompts.slice(first, Math.min(first + MAX_BATCH, count));
        const recorder = createRecorder(environment, backend, model, chunk, batch);
        waves.push(runWave(recorder, wave, batch, sampling));
        await waves.at(-1);
      }
      return sha256Text((await Promise.all(waves)).join(" "));
    },
    close: () => backend.close(),
  };
}

function encodePrompts(gguf: GgufModel): readonly (readonly number[])[] {
  const tokenizer = createTokenizer(gguf.metadata);
  const bos = tokenizer.bos ?? tokenizer.eos ?? 0;
  return PROMPTS.map((text) => [bos].concat(tokenizer.encode(text)));
}

interface Recorder {
  readonly engine: Engine;
  /** Digests of the rows of logits of each sequence so far, in order; clears the record. */
  take(): Promise<readonly string[]>;
}

async function runWave(
  recorder: Recorder,
  prompts: readonly (readonly number[])[],
  batch: number,
  sampling: SamplingParams,
): Promise<string> {
  const answers: string[] = [];
  const digests: string[] = [];
  for (let first = 0; first < prompts.length; first += batch) {
    const together = prompts.slice(first, first + batch);
    answers.push(
      ...(await Promise.all(together.map((tokens) => generate(recorder.engine, tokens, sampling)))),
    );
    digests.push(...(await recorder.take()));
  }
  // Which of the sequences is which prompt's is not known here: their order must not count.
  return sha256Text([...digests.toSorted(), ...answers].join(" "));
}

async function generate(
  engine: Engine,
  tokens: readonly number[],
  sampling: SamplingParams,
): Promise<string> {
  const generated: number[] = [];
  const request = { tokens, maxTokens: MAX_TOKENS, sampling, stopTokens: [] };
  for await (const event of engine.generate(request)) {
    if (event.type === "token") generated.push(event.token);
  }
  if (generated.length !== MAX_TOKENS) throw new Error(`${generated.length} tokens were generated`);
  return generated.join(",");
}

/** An engine whose every row of logits is hashed on its way to the sampler. */
function createRecorder(
  environment: Environment,
  backend: Backend,
  model: Model,
  chunk: number,
  batch: number,
): Recorder {
  /** Digests of a sequence's rows. */
  let rows = new Map<number, Promise<string>[]>();
  const watched = watchLogits(backend, model, ({ firstBlock, bits }) => {
    rows.set(firstBlock, [...(rows.get(firstBlock) ?? []), sha256(bits)]);
  });
  const engine = createEngine({
    model: watched.model,
    // The rig closes it.
    backend: { ...watched.backend, close: () => Promise.resolve() },
    loadMs: 0,
    maxSequences: batch,
    maxWaiting: MAX_BATCH,
    chunk,
    // A wrong guess has logits, too, of a text that never was.
    speculate: false,
    yieldTurn: () => environment.yieldTurn(),
    now: () => performance.now(),
  });
  return {
    engine,
    async take() {
      const taken = [...rows.values()];
      rows = new Map();
      // Without this the digests would speak of tokens alone, should logits take another way one day.
      if (taken.length === 0) throw new Error("No row of logits came by");
      return Promise.all(
        taken.map(async (digests) => sha256Text((await Promise.all(digests)).join(" "))),
      );
    },
  };
}
