import * as v from "valibot";
import type { AskedCompletion } from "./asked.ts";
import { FORMAT_FIELDS, toAskedFormat } from "./answer-format.ts";
import { check, invalid, unsupported } from "./check.ts";
import { flag, integer, list, maybe, object, text } from "./fields.ts";
import { MAX_TEXT } from "./parts.ts";
import { OPENAI_RULES, screen } from "./parameters.ts";
import { countChoices, MAX_CHOICES, SHARED_FIELDS, toAsked } from "./shared-fields.ts";

/** Token ids of a prompt: more than fit into a body. */
const MAX_TOKENS = 4 * 1024 * 1024;
/** Token ids are below this in every vocabulary; the model's own is checked later. */
const MAX_TOKEN = 2 ** 31 - 1;

/** A text or the ids of its tokens. */
export type TextOrTokens = string | readonly number[];

const oneText = text(0, MAX_TEXT);

/** At least `least` token ids. */
export function tokenIds(least: number): v.GenericSchema<unknown, number[]> {
  return list(integer(0, MAX_TOKEN), least, MAX_TOKENS, "token ids");
}

const someTokens = tokenIds(1);

/** A text, token ids, or an array of either. */
export function textsOrTokens(most: number): v.GenericSchema<unknown, readonly TextOrTokens[]> {
  const one = <T extends TextOrTokens>(item: v.GenericSchema<unknown, T>) =>
    v.pipe(
      item,
      v.transform((only): readonly TextOrTokens[] => [only]),
    );
  return v.lazy((input): v.GenericSchema<unknown, readonly TextOrTokens[]> => {
    if (typeof input === "string") return one(oneText);
    if (!Array.isArray(input)) return v.never("text or token ids");
    if (typeof input[0] === "number") return one(someTokens);
    return Array.isArray(input[0])
      ? list(someTokens, 1, most, "prompts")
      : list(oneText, 1, most, "prompts");
  });
}

const request = object({
  ...SHARED_FIELDS,
  ...FORMAT_FIELDS,
  prompt: textsOrTokens(MAX_CHOICES),
  suffix: maybe(oneText),
  echo: maybe(flag()),
  n: maybe(integer(1, MAX_CHOICES)),
  best_of: maybe(integer(1, MAX_CHOICES)),
  logprobs: maybe(integer(0, 5)),
});

/** A body of `POST /v1/completions`, checked. Throws `INVALID_REQUEST`, `UNSUPPORTED_PARAMETER`. */
export function parseCompletionRequest(body: unknown): AskedCompletion {
  const { fields, ignored } = screen(body, OPENAI_RULES);
  const values = check(request, fields);
  const { n = 1, best_of: candidates = n, prompt: prompts, echo = false } = values;
  if (candidates < n) throw invalid("best_of", `it is less than n, which is ${n}`);
  if (candidates > n && values.stream === true) {
    throw unsupported("best_of", "the best is known only at the end, so it cannot be streamed");
  }
  if (echo && values.logprobs !== undefined) {
    throw unsupported("echo", "log-probabilities of a prompt are not served");
  }
  if (values.suffix !== undefined && prompts.some((prompt) => typeof prompt !== "string")) {
    throw invalid("suffix", "it is for prompts that are text");
  }
  return {
    ...toAsked(values, ignored),
    ...toAskedFormat(values),
    ...countChoices(prompts.length, candidates, n),
    promptParam: "prompt",
    prompts,
    suffix: values.suffix,
    echo,
    logprobs: values.logprobs,
  };
}
