import type { AskedCompletion } from "./asked.ts";
import { check } from "./check.ts";
import { MAX_TEXT } from "./parts.ts";
import { maybe, object, text } from "./fields.ts";
import { OPENAI_RULES, screen } from "./parameters.ts";
import { SHARED_FIELDS, toAsked } from "./shared-fields.ts";

const request = object({
  ...SHARED_FIELDS,
  prompt: text(0, MAX_TEXT),
  suffix: maybe(text(0, MAX_TEXT)),
});

/** A body of `POST /v1/fim/completions`, checked. Throws `INVALID_REQUEST`, `UNSUPPORTED_PARAMETER`. */
export function parseFimRequest(body: unknown): AskedCompletion {
  const { fields, ignored } = screen(body, OPENAI_RULES);
  const { prompt, suffix = "", ...values } = check(request, fields);
  return {
    ...toAsked(values, ignored),
    candidates: 1,
    choices: 1,
    promptParam: "prompt",
    prompts: [prompt],
    suffix,
    echo: false,
    logprobs: undefined,
  };
}
