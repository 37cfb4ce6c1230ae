import { RuntimeError } from "../errors.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { fillInTokens } from "./fill-in.ts";
import type { Route } from "./pipeline.ts";
import type { AskedCompletion } from "./wire/asked.ts";
import { parseCompletionRequest } from "./wire/completion-request.ts";
import { createCompletionFormat } from "./wire/completion-response.ts";

/** `POST /v1/completions`: the continuation of texts. */
export const completionRoute: Route<AskedCompletion> = {
  idPrefix: "cmpl-",
  parse: parseCompletionRequest,
  prompts(model, { prompts, suffix, echo }) {
    const { tokenizer } = model;
    return prompts.map((prompt) => {
      const tokens =
        suffix === undefined
          ? toTokens(prompt, tokenizer)
          : fillInTokens(model, textOf(prompt, tokenizer), suffix);
      return { tokens, ...(echo ? { opening: textOf(prompt, tokenizer) } : {}) };
    });
  },
  format: createCompletionFormat,
};

/** The tokens of a prompt; text gets the beginning that the model was trained with, tokens are taken as they are. */
export function toTokens(
  prompt: string | readonly number[],
  tokenizer: Tokenizer,
): readonly number[] {
  if (typeof prompt !== "string") return checkTokens(prompt, tokenizer.vocabSize);
  const { bos } = tokenizer;
  const start = tokenizer.addBos && bos !== undefined ? [bos] : [];
  const tokens = [...start, ...tokenizer.encode(prompt)];
  if (tokens.length > 0) return tokens;
  throw new RuntimeError("INVALID_REQUEST", "Cannot continue an empty prompt: write something", {
    param: "prompt",
  });
}

function textOf(prompt: string | readonly number[], tokenizer: Tokenizer): string {
  if (typeof prompt === "string") return prompt;
  const decoder = tokenizer.decoder();
  const known = checkTokens(prompt, tokenizer.vocabSize);
  return known.map((token) => decoder.push(token)).join("") + decoder.end();
}

function checkTokens(tokens: readonly number[], vocabSize: number): readonly number[] {
  const unknown = tokens.findIndex((token) => token >= vocabSize);
  if (unknown === -1) return tokens;
  throw new RuntimeError(
    "INVALID_REQUEST",
    `Cannot continue this prompt: token ${tokens[unknown]} is not among the ${vocabSize} of this model`,
    { param: `prompt[${unknown}]` },
  );
}
