import { RuntimeError } from "../errors.ts";
import { describeTools } from "../tools/plain.ts";
import type { Tool } from "../tools/tools.ts";
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
  { messages, prefill, tools }: Pick<AskedChat, "messages" | "prefill" | "tools">,
  now: Date,
): Prompt {
  if (model.template === undefined) {
    throw new RuntimeError(
      "INVALID_REQUEST",
      `Cannot chat with '${model.id}': its file has no chat template; use /v1/completions`,
      { param: "model" },
    );
  }
  const { template } = model;
  // A template that knows nothing of tools gets them as text.
  const plain = template.toolForm === "plain";
  const tokens = template.tokens(plain ? describeTools(messages, tools) : messages, {
    addGenerationPrompt: true,
    now,
    ...(tools === undefined || plain ? {} : { tools: tools.tools.map(toWireTool) }),
  });
  if (prefill === undefined) return { tokens };
  // A turn that has been begun: what templates write behind a finished one must not follow it.
  return {
    tokens: [...tokens, ...model.tokenizer.encode(prefill.text)],
    ...(prefill.sent ? { opening: prefill.text } : {}),
  };
}

/** As OpenAI has it, which is what templates expect. */
function toWireTool({ name, description, parameters }: Tool): object {
  return {
    type: "function",
    function: {
      name,
      ...(description === undefined ? {} : { description }),
      parameters: parameters ?? { type: "object", properties: {} },
    },
  };
}
