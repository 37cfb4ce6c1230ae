import { readJson } from "../body.ts";
import { chatPrompt } from "../chat.ts";
import type { Exchange } from "../exchange.ts";
import { findModel } from "../find-model.ts";
import type { Route, Server } from "../pipeline.ts";
import { untilServing } from "../serving.ts";
import type { AskedChat } from "../wire/asked.ts";
import { parseCountRequest, parseMessagesRequest } from "./request.ts";
import { createMessageFormat } from "./response.ts";

/** Anthropic's `POST /v1/messages`: the next turn of a conversation. */
export const messagesRoute: Route<AskedChat> = {
  idPrefix: "msg_",
  parse: parseMessagesRequest,
  prompts: (model, asked, now) => [chatPrompt(model, asked, now)],
  format: createMessageFormat,
};

/** Anthropic's `POST /v1/messages/count_tokens`: how many tokens a conversation has. */
export async function countTokens(
  request: Request,
  exchange: Exchange,
  { deps, limits }: Server,
): Promise<Response> {
  await untilServing(deps, limits, request);
  const asked = parseCountRequest(await readJson(request, limits));
  const model = findModel(deps.models(), asked.model);
  exchange.note({ model: model.id });
  exchange.caller.checkModel(model.id);
  const { tokens } = chatPrompt(model, asked, new Date(deps.wallClock()));
  const headers: Record<string, string> =
    asked.ignored.length > 0 ? { "x-sirocco-ignored": asked.ignored.join(", ") } : {};
  return Response.json({ input_tokens: tokens.length }, { headers });
}
