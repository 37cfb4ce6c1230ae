// Runs in a process of its own, on the driver of its environment: a real model answers on the GPU, by WebAssembly, and
// by WebAssembly with every weight as the f32 that it stands for, where activations are not rounded to bytes either.
import { openModel } from "../../adapters/node/header.ts";
import { startEngine } from "../../adapters/node/open-engine.ts";
import { perplexity } from "../../adapters/node/perplexity.ts";
import { chatTemplateSource, createChatTemplate } from "../../core/chat/create.ts";
import { GREEDY } from "../../core/sampler/params.ts";
import { createTokenizer } from "../../core/tokenizer/create.ts";
import { exactWeights } from "../bench/accuracy/exact-weights.ts";
import { judgedText } from "../bench/accuracy/text.ts";
import { report } from "./report.ts";

/** What is asked of each backend. */
export interface RealModelCase {
  readonly model: string;
  /** Questions, through the model's chat template. */
  readonly questions: readonly string[];
  /** Tokens of each answer; the end of an answer is a token like any other. */
  readonly tokens: number;
  /** Chunks of text to judge, and the tokens of each. */
  readonly chunks: number;
  readonly chunkLength: number;
}

/** `exact`: WebAssembly with weights of f32. */
export type RealModelBackend = "webgpu" | "exact" | "wasm";

/** What a backend made of it. */
export interface RealModelResult {
  readonly answers: readonly (readonly number[])[];
  readonly perplexity: number;
  readonly judged: number;
}

async function resultOf(
  backend: RealModelBackend,
  { model, questions, tokens: maxTokens, chunks, chunkLength }: RealModelCase,
): Promise<RealModelResult> {
  const { gguf } = await openModel(model);
  const tokenizer = createTokenizer(gguf.metadata);
  const template = createChatTemplate(chatTemplateSource(gguf.metadata)!, tokenizer);
  const exact = backend === "exact";
  const engine = await startEngine(
    exact ? exactWeights(gguf) : gguf,
    { backend: exact ? "wasm" : backend, contextSize: 512, parallel: 1 },
    performance.now(),
  );
  const answers: number[][] = [];
  for (const content of questions) {
    const tokens = template.tokens([{ role: "user", content }], { addGenerationPrompt: true });
    const answer: number[] = [];
    const request = { tokens, maxTokens, sampling: GREEDY, stopTokens: [] };
    for await (const event of engine.generate(request)) {
      if (event.type === "token") answer.push(event.token);
    }
    answers.push(answer);
  }
  const { text } = await judgedText();
  const tokens = tokenizer.encode(text.slice(0, 16 * chunks * chunkLength));
  const bos = tokenizer.addBos ? tokenizer.bos : undefined;
  const scored = await perplexity(engine, { tokens, chunkLength, bos, chunks });
  await engine.close();
  await gguf.close();
  return { answers, perplexity: scored.ppl, judged: scored.tokens };
}

const task = JSON.parse(process.argv[2]!) as RealModelCase;
const backends: readonly RealModelBackend[] = ["webgpu", "exact", "wasm"];
const results: Partial<Record<RealModelBackend, RealModelResult>> = {};
for (const backend of backends) results[backend] = await resultOf(backend, task);
report(results);
