import type { AnswerText } from "../../answer/answer.ts";
import type { AnswerToken, TokenChance } from "../../answer/token.ts";
import { joinToolCalls, type ToolCallDelta } from "../../tools/events.ts";
import type { Asked } from "./asked.ts";
import { openaiFailure } from "./failure-body.ts";
import { textOf, toUsage, type Choice, type Format, type Head } from "./format.ts";
import { SSE } from "./framing.ts";

/** The shapes of `chat.completion` and `chat.completion.chunk`. */
export function createChatFormat(head: Head, asked: Asked): Format {
  const common = {
    id: head.id,
    created: head.created,
    model: head.model,
    system_fingerprint: head.fingerprint,
  };
  const unused = asked.includeUsage ? { usage: null } : {};
  const wanted = asked.logprobs !== undefined;
  const logprobs = (texts: readonly AnswerText[]) =>
    wanted
      ? { content: texts.flatMap(({ tokens }) => tokens.map(toLogprob)), refusal: null }
      : null;
  const chunk = (index: number, choice: object) => ({
    ...common,
    object: "chat.completion.chunk",
    choices: [{ index, ...choice }],
    ...unused,
  });

  return {
    framing: SSE,
    opening() {
      const delta = { role: "assistant", content: "", refusal: null };
      return Array.from({ length: asked.choices }, (_, index) =>
        chunk(index, { delta, logprobs: null, finish_reason: null }),
      );
    },
    text(event, index) {
      const delta = { content: event.text };
      return [chunk(index, { delta, logprobs: logprobs([event]), finish_reason: null })];
    },
    toolCall(event, index) {
      const delta = { tool_calls: [toCallPiece(event)] };
      return [chunk(index, { delta, logprobs: null, finish_reason: null })];
    },
    finish({ reason }, index) {
      return [chunk(index, { delta: {}, logprobs: null, finish_reason: reason })];
    },
    closing(total) {
      if (!asked.includeUsage) return [];
      return [{ ...common, object: "chat.completion.chunk", choices: [], ...toUsage(total) }];
    },
    failed: openaiFailure,
    whole(choices, total) {
      return {
        ...common,
        object: "chat.completion",
        choices: choices.map((choice, index) => ({
          index,
          message: toMessage(choice),
          logprobs: logprobs(choice.texts),
          finish_reason: choice.done.reason,
        })),
        ...toUsage(total),
      };
    },
  };
}

function toMessage(choice: Choice): object {
  const text = textOf(choice);
  const calls = joinToolCalls(choice.calls).map(({ id, name, arguments: json }) => ({
    id,
    type: "function",
    function: { name, arguments: json },
  }));
  return {
    role: "assistant",
    // A turn that only calls has nothing to say.
    content: calls.length > 0 && text === "" ? null : text,
    refusal: null,
    ...(calls.length > 0 ? { tool_calls: calls } : {}),
  };
}

function toCallPiece({ index, id, name, arguments: more }: ToolCallDelta): object {
  if (id === undefined) return { index, function: { arguments: more } };
  return { index, id, type: "function", function: { name, arguments: more } };
}

function toLogprob(token: AnswerToken): object {
  return { ...toChance(token), top_logprobs: token.top.map(toChance) };
}

function toChance({ text, logprob, bytes }: TokenChance): object {
  return { token: text, logprob, bytes };
}
