import type { AnswerText } from "../../answer/answer.ts";
import type { Asked } from "./asked.ts";
import { toUsage, type Format, type Head } from "./format.ts";

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
  const choice = (texts: readonly AnswerText[], finishReason: string | null) => ({
    text: texts.map(({ text }) => text).join(""),
    index: 0,
    logprobs: wanted ? toLogprobs(texts) : null,
    finish_reason: finishReason,
  });

  return {
    opening: () => [],
    text: (event) => ({ ...common, choices: [choice([event], null)], ...unused }),
    toolCall: () => {
      throw new Error("Cannot write a call: completions have no tools");
    },
    finish: ({ reason }) => ({ ...common, choices: [choice([], reason)], ...unused }),
    usage: (done) => ({ ...common, choices: [], ...toUsage(done) }),
    whole: (texts, _calls, done) => ({
      ...common,
      choices: [choice(texts, done.reason)],
      ...toUsage(done),
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
