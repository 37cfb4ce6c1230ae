import type { AnswerText } from "../../answer/answer.ts";
import type { TokenChance } from "../../answer/token.ts";
import { joinToolCalls, type ToolCallDelta, type TurnDone } from "../../tools/events.ts";
import type { Embedded } from "../embeddings.ts";
import type { Asked } from "../wire/asked.ts";
import { ollamaFailure } from "../wire/failure-body.ts";
import { textOf, type Format, type Head, type Total } from "../wire/format.ts";
import { NDJSON } from "../wire/framing.ts";
import { parseJson } from "../wire/json.ts";

/** Where an answer's text goes: `/api/chat` has messages, `/api/generate` responses. */
type Say = (text: string, calls: readonly ToolCallDelta[]) => object;

/** The shape of answers to `/api/chat`. */
export function createOllamaChatFormat(head: Head, asked: Asked): Format {
  return createFormat(head, asked, (content, deltas) => {
    const calls = joinToolCalls(deltas).map(({ id, name, arguments: json }, index) => ({
      id,
      function: { index, name, arguments: parseJson(json === "" ? "{}" : json) },
    }));
    const message = { role: "assistant", content };
    return { message: calls.length > 0 ? { ...message, tool_calls: calls } : message };
  });
}

/** The shape of answers to `/api/generate`. */
export function createGenerateFormat(head: Head, asked: Asked): Format {
  return createFormat(head, asked, (response) => ({ response }));
}

function createFormat(head: Head, asked: Asked, say: Say): Format {
  const common = { model: head.model, created_at: new Date(head.created * 1000).toISOString() };
  const logprobs = (texts: readonly AnswerText[]): object =>
    asked.logprobs === undefined
      ? {}
      : {
          logprobs: texts.flatMap(({ tokens }) =>
            tokens.map((t) => ({ ...toChance(t), top_logprobs: t.top.map(toChance) })),
          ),
        };
  const calls: ToolCallDelta[] = [];
  let end: TurnDone | undefined;

  return {
    framing: NDJSON,
    opening: () => [],
    text: (event) => [{ ...common, ...say(event.text, []), ...logprobs([event]), done: false }],
    toolCall(event) {
      // Arguments are an object here, so a call is sent once it is complete.
      calls.push(event);
      return [];
    },
    finish(done) {
      end = done;
      return calls.length > 0 ? [{ ...common, ...say("", calls), done: false }] : [];
    },
    closing: (total) => [{ ...common, ...say("", []), ...toDone(end, total) }],
    failed: ollamaFailure,
    whole: ([choice], total) => ({
      ...common,
      ...say(textOf(choice!), choice!.calls),
      ...logprobs(choice!.texts),
      ...toDone(choice!.done, total),
    }),
  };
}

/** The end of an answer; durations in nanoseconds. The model has been loaded before. */
function toDone(done: TurnDone | undefined, { usage, timings }: Total): object {
  const { firstTokenMs, decodeMs, engine } = timings;
  return {
    done: true,
    done_reason: done?.reason === "length" ? "length" : "stop",
    total_duration: toNanoseconds(firstTokenMs + decodeMs),
    load_duration: 0,
    prompt_eval_count: usage.promptTokens,
    prompt_eval_duration: toNanoseconds(engine?.prefillMs ?? firstTokenMs),
    eval_count: usage.completionTokens,
    eval_duration: toNanoseconds(decodeMs),
  };
}

/** The answer to `/api/embed`. */
export function toOllamaEmbeddings({
  model,
  vectors,
  promptTokens,
  milliseconds,
}: Embedded): object {
  return {
    model,
    embeddings: vectors.map((vector) => Array.from(vector)),
    total_duration: toNanoseconds(milliseconds),
    load_duration: 0,
    prompt_eval_count: promptTokens,
  };
}

function toNanoseconds(milliseconds: number): number {
  return Math.round(milliseconds * 1e6);
}

function toChance({ text, logprob, bytes }: TokenChance): object {
  return { token: text, logprob, bytes };
}
