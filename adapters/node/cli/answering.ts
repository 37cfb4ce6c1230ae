import { answer, type AnswerDone } from "../../../core/answer/answer.ts";
import { RuntimeError } from "../../../core/errors.ts";
import { recordAnswer, type Recording } from "../../../core/receipt/recording.ts";
import type { SamplingParams } from "../../../core/sampler/params.ts";
import type { LoadedModel } from "../load.ts";

/** What a command asks of a model. */
export interface Question {
  readonly prompt: readonly number[];
  /** At most this many new tokens; absent: as many as the context has room for. */
  readonly maxTokens?: number;
  readonly sampling: SamplingParams;
  readonly stop?: readonly string[];
  /** Note what a receipt needs. */
  readonly receipt?: boolean;
  readonly signal?: AbortSignal;
}

/** A complete answer. */
export interface Answer {
  readonly text: string;
  /** The generated tokens, those of a stop string included. */
  readonly tokens: readonly number[];
  /** What a receipt is made of, where one was asked for. */
  readonly recording: Recording;
  readonly done: AnswerDone;
}

/** Ask a model; `onText` is awaited with each piece of text, so that a slow terminal slows generation. */
export async function ask(
  model: LoadedModel,
  question: Question,
  onText: (text: string) => Promise<void> | void = () => {},
): Promise<Answer> {
  const { prompt, sampling, stop = [], signal } = question;
  const room = model.engine.info.contextLength - prompt.length;
  if (room < 1) {
    throw new RuntimeError(
      "CONTEXT_LENGTH_EXCEEDED",
      `Cannot answer: the prompt has ${prompt.length} tokens, the context holds ` +
        `${model.engine.info.contextLength} with the answer; shorten the prompt or raise --ctx-size`,
    );
  }
  const recording = recordAnswer(model.engine, question.receipt === true);
  const { tokens } = recording;
  let text = "";
  const events = answer(recording.engine, model.tokenizer, {
    prompt,
    maxTokens: Math.min(room, question.maxTokens ?? room),
    sampling,
    stop,
    ...(signal === undefined ? {} : { signal }),
  });
  for await (const event of events) {
    if (event.type === "done") return { text, tokens, recording, done: event };
    text += event.text;
    await onText(event.text);
  }
  throw new RuntimeError("INTERNAL", "The answer ended without its last event");
}

/** The text of a raw prompt as tokens, with the model's begin-of-sequence token where it wants one. */
export function rawPrompt(model: LoadedModel, text: string, special: boolean): number[] {
  const { tokenizer } = model;
  const tokens = tokenizer.encode(text, { special });
  if (tokenizer.addBos && tokenizer.bos !== undefined) tokens.unshift(tokenizer.bos);
  return tokens;
}

/** The speed of an answer for people: `87 tokens at 212.4 tokens/s, first after 12 ms, wasm-relaxed`. */
export function speedLine(model: LoadedModel, { done }: Answer): string {
  const { usage, timings } = done;
  const { backend, threads } = model.engine.info;
  const speed = tokensPerSecond(usage.completionTokens - 1, timings.decodeMs);
  const rate = speed === null ? "" : ` at ${speed.toFixed(1)} tokens/s`;
  const count = `${usage.completionTokens} token${usage.completionTokens === 1 ? "" : "s"}`;
  const computed = `${backend}, ${threads} thread${threads === 1 ? "" : "s"}`;
  return `${count}${rate}, first after ${Math.round(timings.firstTokenMs)} ms, ${computed}`;
}

/** `null` where nothing was timed. */
export function tokensPerSecond(tokens: number, milliseconds: number): number | null {
  return tokens > 0 && milliseconds > 0 ? (tokens * 1000) / milliseconds : null;
}
