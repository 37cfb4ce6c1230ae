import type { AnswerText } from "../../answer/answer.ts";
import type { Asked } from "./asked.ts";
import { openaiFailure } from "./failure-body.ts";
import { toUsage, type Format, type Head } from "./format.ts";
import { SSE } from "./framing.ts";

/** The shape of `text_completion`; its chunks are called the same. */
export function createCompletionFormat(head: Head, asked: Asked): Format {
  const common = {
    id: head.id,
    object: "text_completion",
    created: head.created,
    model: head.model,
    system_fingerprint: head.fingerprint,
  };
  const unused = asked.includeUsage ? { usage: null } : {};
  const wanted = asked.logprobs !== undefined;
  const toChoice = (texts: readonly AnswerText[], index: number, finishReason: string | null) => ({
    text: texts.map(({ text }) => text).join(""),
    index,
    logprobs: wanted ? toLogprobs(texts) : null,
    finish_reason: finishReason,
  });

  return {
    framing: SSE,
    opening: () => [],
    text: (event, index) => [{ ...common, choices: [toChoice([event], index, null)], ...unused }],
    toolCall: () => {
      throw new Error("Cannot write a call: completions have no tools");
    },
    finish: ({ reason }, index) => [
      { ...common, choices: [toChoice([], index, reason)], ...unused },
    ],
    closing: (total) => (asked.includeUsage ? [{ ...common, choices: [], ...toUsage(total) }] : []),
    failed: openaiFailure,
    whole: (choices, total) => ({
      ...common,
      choices: choices.map(({ texts, done }, index) => toChoice(texts, index, done.reason)),
      ...toUsage(total),
    }),
  };
}

/** The older shape: four lists side by side. Offsets count code points of the answer. */
function toLogprobs(texts: readonly AnswerText[]): object {
  const tokens = texts.flatMap((event) => event.tokens);
  return {
    tokens: tokens.map(({ text }) => text),
    token_logprobs: tokens.map(({ logprob }) => logprob),
    top_logprobs: tokens.map(({ top }) =>
      Object.fromEntries(top.map(({ text, logprob }) => [text, logprob])),
    ),
    text_offset: tokens.map(({ offset }) => offset),
  };
}
