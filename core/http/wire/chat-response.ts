import type { AnswerText } from "../../answer/answer.ts";
import type { AnswerToken, TokenChance } from "../../answer/token.ts";
import { joinToolCalls, type ToolCallDelta } from "../../tools/events.ts";
import type { Asked } from "./asked.ts";
import { toUsage, type Format, type Head } from "./format.ts";

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
  const chunk = (choice: object) => ({
    ...common,
    object: "chat.completion.chunk",
    choices: [{ index: 0, ...choice }],
    ...unused,
  });

  return {
    opening() {
      const delta = { role: "assistant", content: "", refusal: null };
      return [chunk({ delta, logprobs: null, finish_reason: null })];
    },
    text(event) {
      const delta = { content: event.text };
      return chunk({ delta, logprobs: logprobs([event]), finish_reason: null });
    },
    toolCall(event) {
      return chunk({
        delta: { tool_calls: [toCallPiece(event)] },
        logprobs: null,
        finish_reason: null,
      });
    },
    finish({ reason }) {
      return chunk({ delta: {}, logprobs: null, finish_reason: reason });
    },
    usage(done) {
      return { ...common, object: "chat.completion.chunk", choices: [], ...toUsage(done) };
    },
    whole(texts, deltas, done) {
      const text = texts.map((event) => event.text).join("");
      const calls = joinToolCalls(deltas).map(({ id, name, arguments: json }) => ({
        id,
        type: "function",
        function: { name, arguments: json },
      }));
      const choice = {
        index: 0,
        message: {
          role: "assistant",
          // A turn that only calls has nothing to say.
          content: calls.length > 0 && text === "" ? null : text,
          refusal: null,
          ...(calls.length > 0 ? { tool_calls: calls } : {}),
        },
        logprobs: logprobs(texts),
        finish_reason: done.reason,
      };
      return { ...common, object: "chat.completion", choices: [choice], ...toUsage(done) };
    },
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
