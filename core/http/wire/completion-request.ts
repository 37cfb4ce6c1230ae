import * as v from "valibot";
import type { AskedCompletion } from "./asked.ts";
import { check, unsupported } from "./check.ts";
import { integer, list, maybe, object, text } from "./fields.ts";
import { screen } from "./parameters.ts";
import { FORMAT_FIELDS, toAskedFormat } from "./answer-format.ts";
import { SHARED_FIELDS, toAsked } from "./shared-fields.ts";

/** Text of a prompt: the body's own limit is smaller, this one only closes the range. */
const MAX_TEXT = 16 * 1024 * 1024;
/** Token ids of a prompt: more than fit into a body. */
const MAX_TOKENS = 4 * 1024 * 1024;
/** Token ids are below this in every vocabulary; the model's own is checked later. */
const MAX_TOKEN = 2 ** 31 - 1;

const tokens = list(integer(0, MAX_TOKEN), 1, MAX_TOKENS, "token ids");
const oneText = text(0, MAX_TEXT);
const first = <T>(item: v.GenericSchema<unknown, T>): v.GenericSchema<unknown, T> =>
  v.pipe(
    list(item, 1, 1, "prompts"),
    // The length is 1 by now.
    v.transform((items) => items[0]!),
  );

/** A text, one text in an array, token ids, or one array of token ids in an array. */
const prompt: v.GenericSchema<unknown, string | number[]> = v.lazy(
  (input): v.GenericSchema<unknown, string | number[]> => {
    if (typeof input === "string") return oneText;
    if (!Array.isArray(input)) return v.never("text or token ids");
    if (typeof input[0] === "number") return tokens;
    return Array.isArray(input[0]) ? first(tokens) : first(oneText);
  },
);

const request = object({
  ...SHARED_FIELDS,
  ...FORMAT_FIELDS,
  prompt,
  logprobs: maybe(integer(0, 5)),
});

/** A body of `POST /v1/completions`, checked. Throws `INVALID_REQUEST`, `UNSUPPORTED_PARAMETER`. */
export function parseCompletionRequest(body: unknown): AskedCompletion {
  const { fields, ignored } = screen(body);
  if (isSeveral(fields["prompt"])) {
    throw unsupported("prompt", "only one prompt per request is served");
  }
  const values = check(request, fields);
  const format = toAskedFormat(values);
  return {
    ...toAsked(values, ignored),
    ...(format === undefined ? {} : { format }),
    promptParam: "prompt",
    prompt: values.prompt,
    logprobs: values.logprobs,
  };
}

function isSeveral(given: unknown): boolean {
  return Array.isArray(given) && given.length > 1 && typeof given[0] !== "number";
}
