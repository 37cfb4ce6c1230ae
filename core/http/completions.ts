import { RuntimeError } from "../errors.ts";
import type { Route } from "./pipeline.ts";
import type { AskedCompletion } from "./wire/asked.ts";
import { parseCompletionRequest } from "./wire/completion-request.ts";
import { createCompletionFormat } from "./wire/completion-response.ts";

/** `POST /v1/completions`: the continuation of a text. */
export const completionRoute: Route<AskedCompletion> = {
  idPrefix: "cmpl-",
  parse: parseCompletionRequest,
  prompt(model, { prompt }) {
    const { tokenizer } = model;
    if (typeof prompt !== "string") return checkTokens(prompt, tokenizer.vocabSize);
    // Text gets the beginning that the model was trained with; tokens are taken as they are.
    const { bos } = tokenizer;
    const start = tokenizer.addBos && bos !== undefined ? [bos] : [];
    const tokens = [...start, ...tokenizer.encode(prompt)];
    if (tokens.length > 0) return tokens;
    throw new RuntimeError("INVALID_REQUEST", "Cannot continue an empty prompt: write something", {
      param: "prompt",
    });
  },
  format: createCompletionFormat,
};

function checkTokens(tokens: readonly number[], vocabSize: number): readonly number[] {
  const unknown = tokens.findIndex((token) => token >= vocabSize);
  if (unknown === -1) return tokens;
  throw new RuntimeError(
    "INVALID_REQUEST",
    `Cannot continue this prompt: token ${tokens[unknown]} is not among the ${vocabSize} of this model`,
    { param: `prompt[${unknown}]` },
  );
}
