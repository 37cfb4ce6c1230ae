import { completionRoute } from "./completions.ts";
import type { Route } from "./pipeline.ts";
import type { AskedCompletion } from "./wire/asked.ts";
import { createChatFormat } from "./wire/chat-response.ts";
import { parseFimRequest } from "./wire/fim-request.ts";

/** Mistral's `POST /v1/fim/completions`: what stands between two texts, answered as a chat is. */
export const fimRoute: Route<AskedCompletion> = {
  ...completionRoute,
  idPrefix: "fim-",
  parse: parseFimRequest,
  format: createChatFormat,
};
