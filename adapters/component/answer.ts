import { createKernelBackend } from "../../backends/wasm/backend.ts";
import type { KernelMachine } from "../../backends/wasm/backend.ts";
import { chatTemplateSource, createChatTemplate } from "../../core/chat/create.ts";
import type { ChatTemplate } from "../../core/chat/template.ts";
import { createEngine } from "../../core/engine/loop.ts";
import type { Engine, GenerateEvent } from "../../core/engine/engine.ts";
import { RuntimeError } from "../../core/errors.ts";
import { openGguf } from "../../core/gguf/parse.ts";
import { bytesSource } from "../../core/gguf/source.ts";
import { readConfig } from "../../core/model/config.ts";
import { loadModel } from "../../core/model/load.ts";
import { GREEDY } from "../../core/sampler/params.ts";
import { createTokenizer } from "../../core/tokenizer/create.ts";
import type { Tokenizer } from "../../core/tokenizer/tokenizer.ts";

/** Rows of one step: a step of a prompt is one call into each kernel, whatever its rows. */
const MAX_ROWS = 64;

/** What `load` reports, as the interface `engine` has it. */
export interface ModelRecord {
  readonly architecture: string;
  readonly vocabSize: number;
  readonly contextLength: number;
}

/** A generated token and its text. */
export interface TokenRecord {
  readonly id: number;
  readonly bytes: Uint8Array;
}

/** A loaded model, answering one prompt at a time. */
export interface Answering {
  readonly record: ModelRecord;
  /** Begin an answer to text as it is; returns the number of its tokens. */
  prompt(text: string): number;
  /** Begin an answer to a message in the model's template. Throws `MODEL_UNSUPPORTED` without one. */
  chat(message: string): number;
  /** `undefined` where the answer has ended. */
  next(): Promise<TokenRecord | undefined>;
  close(): Promise<void>;
}

/** Load a model from the bytes of a GGUF file onto kernels. */
export async function loadAnswering(
  machine: KernelMachine,
  bytes: Uint8Array,
  wantedContext: number,
): Promise<Answering> {
  const gguf = await openGguf(bytesSource(bytes));
  const config = readConfig(gguf);
  const tokenizer = createTokenizer(gguf.metadata);
  const source = chatTemplateSource(gguf.metadata);
  const template = source === undefined ? undefined : createChatTemplate(source, tokenizer);
  const backend = createKernelBackend(machine);
  const contextLength = Math.max(1, Math.min(config.contextLength, wantedContext));
  const model = await loadModel(gguf, backend, {
    maxRows: MAX_ROWS,
    maxLogitRows: 1,
    blockSize: backend.kvBlock,
    blocks: Math.ceil(contextLength / backend.kvBlock),
  });
  await gguf.close();
  const gate = createGate();
  const engine = createEngine({
    backend,
    model,
    loadMs: 0,
    contextLength,
    maxSequences: 1,
    maxWaiting: 1,
    yieldTurn: gate.pass,
    // A component without imports has no clock.
    now: () => 0,
  });
  const { architecture, vocabSize } = config;
  const record = { architecture, vocabSize, contextLength };
  const { next, ...begin } = answers(engine, tokenizer, template);
  return {
    record,
    ...begin,
    next: () => gate.whileOpen(next),
    close: () => gate.whileOpen(() => engine.close()),
  };
}

/** Lets the engine go on while a token is waited for, and not to the end of the answer at once. */
interface Gate {
  /** Resolves while the gate is open. */
  readonly pass: () => Promise<void>;
  readonly whileOpen: <T>(work: () => Promise<T>) => Promise<T>;
}

function createGate(): Gate {
  let open = false;
  let resume: (() => void) | undefined;
  return {
    pass: () =>
      open
        ? Promise.resolve()
        : new Promise((resolve) => {
            resume = resolve;
          }),
    async whileOpen(work) {
      open = true;
      resume?.();
      try {
        return await work();
      } finally {
        open = false;
      }
    },
  };
}

function answers(
  engine: Engine,
  tokenizer: Tokenizer,
  template: ChatTemplate | undefined,
): Pick<Answering, "prompt" | "chat" | "next"> {
  let events: AsyncIterator<GenerateEvent> | undefined;

  const begin = (tokens: readonly number[]): number => {
    const room = engine.info.contextLength - tokens.length;
    if (room < 1) {
      throw new RuntimeError(
        "CONTEXT_LENGTH_EXCEEDED",
        `Cannot answer: the prompt has ${tokens.length} tokens, the context holds ` +
          `${engine.info.contextLength} with the answer; shorten the prompt or load with a longer one`,
      );
    }
    // Whoever begins anew does not want the rest.
    void events?.return?.();
    const sampling = GREEDY;
    const request = { tokens, maxTokens: room, sampling, stopTokens: [...tokenizer.stops] };
    events = engine.generate(request)[Symbol.asyncIterator]();
    return tokens.length;
  };

  return {
    prompt(text) {
      const tokens = [...tokenizer.encode(text)];
      if (tokenizer.addBos && tokenizer.bos !== undefined) tokens.unshift(tokenizer.bos);
      return begin(tokens);
    },
    chat(message) {
      if (template === undefined) {
        throw new RuntimeError("MODEL_UNSUPPORTED", "Cannot chat: the model has no chat template");
      }
      const messages = [{ role: "user", content: message }] as const;
      return begin([...template.tokens(messages, { addGenerationPrompt: true })]);
    },
    async next() {
      if (events === undefined) {
        throw new RuntimeError("NOT_READY", "Cannot generate: call prompt or chat first");
      }
      const { done, value } = await events.next();
      if (done === true || value.type === "done") return undefined;
      return { id: value.token, bytes: tokenizer.bytes(value.token) };
    },
  };
}
