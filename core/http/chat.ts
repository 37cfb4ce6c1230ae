import { RuntimeError } from "../errors.ts";
import type { ServedModel } from "./deps.ts";
import type { Prompt, Route } from "./pipeline.ts";
import type { AskedChat } from "./wire/asked.ts";
import { parseChatRequest } from "./wire/chat-request.ts";
import { createChatFormat } from "./wire/chat-response.ts";

/** `POST /v1/chat/completions`: the next turn of a conversation. */
export const chatRoute: Route<AskedChat> = {
  idPrefix: "chatcmpl-",
  parse: parseChatRequest,
  prompts: (model, asked, now) => [chatPrompt(model, asked, now)],
  format: createChatFormat,
};

/** A conversation as the model's template writes it. Throws `INVALID_REQUEST`, `TEMPLATE_FAILED`. */
export function chatPrompt(
  model: ServedModel,
  { messages, prefill }: Pick<AskedChat, "messages" | "prefill">,
  now: Date,
): Prompt {
  if (model.template === undefined) {
    throw new RuntimeError(
      "INVALID_REQUEST",
      `Cannot chat with '${model.id}': its file has no chat template; use /v1/completions`,
      { param: "model" },
    );
  }
  const tokens = model.template.tokens(messages, { addGenerationPrompt: true, now });
  if (prefill === undefined) return { tokens };
  // A turn that has been begun: what templates write behind a finished one must not follow it.
  return {
    tokens: [...tokens, ...model.tokenizer.encode(prefill.text)],
    ...(prefill.sent ? { opening: prefill.text } : {}),
  };
}
