import { chatPrompt } from "./chat.ts";
import { readJson } from "./body.ts";
import { toTokens, tokensToText } from "./completions.ts";
import type { Exchange } from "./exchange.ts";
import { findModel } from "./find-model.ts";
import type { Server } from "./pipeline.ts";
import { untilServing } from "./serving.ts";
import { parseChatRequest } from "./wire/chat-request.ts";
import { check } from "./wire/check.ts";
import { tokenIds } from "./wire/completion-request.ts";
import { MAX_TEXT } from "./wire/parts.ts";
import { flag, maybe, object, text } from "./wire/fields.ts";

const tokenizeText = object({
  model: text(1, 256),
  prompt: text(0, MAX_TEXT),
  add_special_tokens: maybe(flag()),
});

const detokenizeTokens = object({ model: text(1, 256), tokens: tokenIds(0) });

/** `POST /tokenize`, as vLLM has it: the tokens of a text or of a conversation. */
export async function tokenize(
  request: Request,
  exchange: Exchange,
  server: Server,
): Promise<Response> {
  const { deps, limits } = server;
  await untilServing(deps, limits, request);
  const body = await readJson(request, limits);
  const conversation = typeof body === "object" && body !== null && "messages" in body;
  const asked = conversation ? parseChatRequest(body) : check(tokenizeText, body);
  const model = findModel(deps.models(), asked.model);
  exchange.note({ model: model.id });
  exchange.caller.checkModel(model.id);
  const tokens =
    "messages" in asked
      ? chatPrompt(model, asked, new Date(deps.wallClock())).tokens
      : asked.add_special_tokens === false || asked.prompt === ""
        ? model.tokenizer.encode(asked.prompt)
        : toTokens(asked.prompt, model.tokenizer, "prompt");
  return Response.json({ count: tokens.length, max_model_len: model.contextLength, tokens });
}

/** `POST /detokenize`, as vLLM has it: the text of tokens. */
export async function detokenize(
  request: Request,
  exchange: Exchange,
  server: Server,
): Promise<Response> {
  const { deps, limits } = server;
  await untilServing(deps, limits, request);
  const asked = check(detokenizeTokens, await readJson(request, limits));
  const model = findModel(deps.models(), asked.model);
  exchange.note({ model: model.id });
  exchange.caller.checkModel(model.id);
  return Response.json({ prompt: tokensToText(asked.tokens, model.tokenizer, "tokens") });
}
