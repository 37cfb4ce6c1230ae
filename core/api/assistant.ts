import { answer, type AnswerDone } from "../answer/answer.ts";
import type { ChatMessage, ChatTemplate } from "../chat/template.ts";
import type { Engine } from "../engine/engine.ts";
import { RuntimeError } from "../errors.ts";
import { compileFormat } from "../grammar/compile.ts";
import type { AnswerFormat } from "../grammar/format.ts";
import { GREEDY, type SamplingParams } from "../sampler/params.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";

/** A loaded model that talks: what `load` gives on every runtime. */
export interface Assistant {
  /**
   * The next turn of a conversation, piece by piece; the generator returns why it ended and what it took.
   * Leaving the loop or aborting the signal frees the model within a step.
   *
   * Throws `RuntimeError`: `INVALID_REQUEST`, `TEMPLATE_FAILED`, `CONTEXT_LENGTH_EXCEEDED`, `QUEUE_FULL`,
   * `ABORTED`, `NOT_READY`.
   */
  chat(
    messages: readonly ChatMessage[],
    options?: ChatOptions,
  ): AsyncGenerator<string, AnswerDone, undefined>;
  /** The continuation of a text, without a chat template. Otherwise as {@linkcode Assistant.chat}. */
  complete(prompt: string, options?: ChatOptions): AsyncGenerator<string, AnswerDone, undefined>;
  /** The engine below: tokens in, tokens out. */
  readonly engine: Engine;
  /** The model's vocabulary. */
  readonly tokenizer: Tokenizer;
  /** Absent where the model file has none: then only `complete` works. */
  readonly template: ChatTemplate | undefined;
  /** End running requests and release the memory. */
  close(): Promise<void>;
}

/** How to answer. Without sampling parameters the likeliest token is taken, so an answer repeats. */
export interface ChatOptions extends Partial<SamplingParams> {
  /** At most this many tokens; absent: as many as the context has room for. */
  readonly maxTokens?: number;
  /** The answer ends before the first of these. */
  readonly stop?: readonly string[];
  /** What the answer has to be; throws `UNSUPPORTED_PARAMETER`, `INVALID_REQUEST` for what cannot be enforced. */
  readonly format?: AnswerFormat;
  /** Ends the answer with `ABORTED`. */
  readonly signal?: AbortSignal;
}

/** What an assistant is made of. */
export interface AssistantParts {
  /** Where tokens are generated. */
  readonly engine: Engine;
  /** The engine's vocabulary. */
  readonly tokenizer: Tokenizer;
  /** Absent where the model has none. */
  readonly template: ChatTemplate | undefined;
  /** Release what the parts hold. */
  close(): Promise<void>;
}

/** An assistant over an engine; `close` of the parts is called at most once. */
export function createAssistant(parts: AssistantParts): Assistant {
  const { engine, tokenizer, template } = parts;

  async function* run(
    prompt: readonly number[],
    options: ChatOptions,
  ): AsyncGenerator<string, AnswerDone, undefined> {
    const { maxTokens = Infinity, stop = [], format, signal, ...sampling } = options;
    const room = engine.info.contextLength - prompt.length;
    if (room < 1) {
      throw new RuntimeError(
        "CONTEXT_LENGTH_EXCEEDED",
        `Cannot answer: the prompt has ${prompt.length} tokens, the context holds ` +
          `${engine.info.contextLength} with the answer; shorten it or load with a larger contextSize`,
      );
    }
    const events = answer(engine, tokenizer, {
      prompt,
      maxTokens: Math.min(room, maxTokens),
      sampling: { ...GREEDY, ...sampling },
      stop,
      ...(format === undefined ? {} : { grammar: compileFormat(format, "format") }),
      ...(signal === undefined ? {} : { signal }),
    });
    for await (const event of events) {
      if (event.type === "done") return event;
      if (event.text !== "") yield event.text;
    }
    throw new RuntimeError("INTERNAL", "The answer ended without its last event");
  }

  let closed: Promise<void> | undefined;
  return {
    engine,
    tokenizer,
    template,
    async *chat(messages, options = {}) {
      if (template === undefined) {
        throw new RuntimeError(
          "INVALID_REQUEST",
          "Cannot chat: this model has no chat template; use complete() to continue a text",
        );
      }
      return yield* run(template.tokens(messages, { addGenerationPrompt: true }), options);
    },
    async *complete(prompt, options = {}) {
      const { addBos, bos } = tokenizer;
      const tokens = tokenizer.encode(prompt);
      if (addBos && bos !== undefined) tokens.unshift(bos);
      return yield* run(tokens, options);
    },
    close: () => (closed ??= parts.close()),
  };
}
