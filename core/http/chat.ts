import { RuntimeError } from "../errors.ts";
import type { Route } from "./pipeline.ts";
import type { AskedChat } from "./wire/asked.ts";
import { parseChatRequest } from "./wire/chat-request.ts";
import { createChatFormat } from "./wire/chat-response.ts";

/** `POST /v1/chat/completions`: the next turn of a conversation. */
export const chatRoute: Route<AskedChat> = {
  idPrefix: "chatcmpl-",
  parse: parseChatRequest,
  prompt(model, { messages }, now) {
    if (model.template === undefined) {
      throw new RuntimeError(
        "INVALID_REQUEST",
        `Cannot chat with '${model.id}': its file has no chat template; use /v1/completions`,
        { param: "model" },
      );
    }
    return model.template.tokens(messages, { addGenerationPrompt: true, now });
  },
  format: createChatFormat,
};
