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
          ? toTokens(prompt, tokenizer, "prompt")
          : fillInTokens(model, textOf(prompt, tokenizer), suffix);
      return { tokens, ...(echo ? { opening: textOf(prompt, tokenizer) } : {}) };
    });
  },
  format: createCompletionFormat,
};

/**
 * The tokens of a text; it gets the beginning that the model was trained with, tokens are taken as they are.
 * Throws `INVALID_REQUEST` for what has none and for tokens that are not there.
 *
 * @param param The field that holds it, for errors.
 */
export function toTokens(
  given: string | readonly number[],
  tokenizer: Tokenizer,
  param: string,
): readonly number[] {
  if (typeof given !== "string") return checkTokens(given, tokenizer.vocabSize, param);
  const { bos } = tokenizer;
  const start = tokenizer.addBos && bos !== undefined ? [bos] : [];
  const tokens = [...start, ...tokenizer.encode(given)];
  if (tokens.length > 0) return tokens;
  throw new RuntimeError("INVALID_REQUEST", `Cannot use an empty '${param}': write something`, {
    param,
  });
}

/** The text of tokens. Throws as {@linkcode toTokens}. */
export function tokensToText(
  tokens: readonly number[],
  tokenizer: Tokenizer,
  param: string,
): string {
  const decoder = tokenizer.decoder();
  const known = checkTokens(tokens, tokenizer.vocabSize, param);
  return known.map((token) => decoder.push(token)).join("") + decoder.end();
}

function textOf(prompt: string | readonly number[], tokenizer: Tokenizer): string {
  return typeof prompt === "string" ? prompt : tokensToText(prompt, tokenizer, "prompt");
}

function checkTokens(
  tokens: readonly number[],
  vocabSize: number,
  param: string,
): readonly number[] {
  const unknown = tokens.findIndex((token) => token >= vocabSize);
  if (unknown === -1) return tokens;
  throw new RuntimeError(
    "INVALID_REQUEST",
    `Cannot accept '${param}': token ${tokens[unknown]} is not among the ${vocabSize} of this model`,
    { param: `${param}[${unknown}]` },
  );
}
