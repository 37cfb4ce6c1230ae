import * as v from "valibot";
import type { ChatMessage, ChatToolCall } from "../../chat/template.ts";
import type { AskedChat } from "./asked.ts";
import { checkForm, FORMAT_FIELDS, toAskedFormat } from "./answer-format.ts";
import { check, invalid } from "./check.ts";
import { flag, integer, list, maybe, object, text } from "./fields.ts";
import { parseJson } from "./json.ts";
import { content, MAX_TEXT, textPart, toText } from "./parts.ts";
import { OPENAI_RULES, screen } from "./parameters.ts";
import { TOOL_FIELDS, toToolUse } from "./tools.ts";
import { withSafePrompt } from "./safe-prompt.ts";
import {
  countChoices,
  MAX_CHOICES,
  MAX_MESSAGES,
  SHARED_FIELDS,
  toAsked,
} from "./shared-fields.ts";

/** Calls in one message; OpenAI allows as many tools. */
const MAX_TOOL_CALLS = 128;
const toolCall = object({
  id: text(1, 128),
  type: v.literal("function", '"function"'),
  function: object({ name: text(1, 128), arguments: text(0, MAX_TEXT) }),
});

/** A field that answers carry and clients send back: nothing but its empty form means anything here. */
const nothing = v.nullish(v.never("null"));

const message = object({
  role: v.picklist(
    ["system", "developer", "user", "assistant", "tool"],
    "system, developer, user, assistant or tool",
  ),
  content: maybe(content),
  name: maybe(text(1, 64)),
  tool_call_id: maybe(text(1, 128)),
  tool_calls: maybe(list(toolCall, 1, MAX_TOOL_CALLS, "calls")),
  refusal: nothing,
  audio: nothing,
  prefix: maybe(flag()),
  function_call: nothing,
  annotations: maybe(list(v.unknown(), 0, 0, "annotations")),
});

type Message = v.InferOutput<typeof message>;

const request = object({
  ...SHARED_FIELDS,
  ...FORMAT_FIELDS,
  ...TOOL_FIELDS,
  messages: list(message, 1, MAX_MESSAGES, "messages"),
  max_completion_tokens: SHARED_FIELDS.max_tokens,
  n: maybe(integer(1, MAX_CHOICES)),
  safe_prompt: maybe(flag()),
  logprobs: maybe(flag()),
  top_logprobs: maybe(integer(0, 20)),
});

/** How this API calls a part that is text. */
const TEXT_PART = textPart(["text"]);

/**
 * A body of `POST /v1/chat/completions`, checked. Throws `INVALID_REQUEST`, `UNSUPPORTED_PARAMETER`,
 * `UNSUPPORTED_MODALITY`.
 */
export function parseChatRequest(body: unknown): AskedChat {
  const { fields, ignored } = screen(body, OPENAI_RULES);
  const values = check(request, fields);
  const { max_tokens: older, max_completion_tokens: newer } = values;
  if (older !== undefined && newer !== undefined && older !== newer) {
    throw invalid("max_tokens", "it differs from 'max_completion_tokens'; send one of them");
  }
  if (values.top_logprobs !== undefined && values.logprobs !== true) {
    throw invalid("top_logprobs", "it is for requests with logprobs: true");
  }
  const { n = 1 } = values;
  const { format } = toAskedFormat(values);
  const turns = toTurns(values.messages, values.safe_prompt ?? false);
  const { tools } = toToolUse(values);
  checkForm(format, tools, turns.prefill);
  return {
    ...toAsked({ ...values, max_tokens: newer ?? older }, ignored),
    ...(format === undefined ? {} : { format }),
    ...(tools === undefined ? {} : { tools }),
    ...countChoices(1, n, n),
    promptParam: "messages",
    ...turns,
    logprobs: values.logprobs === true ? (values.top_logprobs ?? 0) : undefined,
  };
}

/** The turns to answer, and where the last one is marked as begun, what it begins with (Mistral's `prefix`). */
function toTurns(
  given: readonly Message[],
  safe: boolean,
): Pick<AskedChat, "messages" | "prefill"> {
  for (const [i, { role, prefix, tool_calls: calls }] of given.entries()) {
    if (prefix !== true) continue;
    if (role !== "assistant" || i !== given.length - 1 || calls !== undefined) {
      throw invalid(
        `messages[${i}].prefix`,
        "it is for the last message, of the assistant and with text",
      );
    }
  }
  const turns = given.map(toMessage);
  const prefill = given.at(-1)?.prefix === true ? turns.pop()?.content : undefined;
  if (turns.length === 0) throw invalid("messages", "there is nothing before the prefix");
  return {
    messages: safe ? withSafePrompt(turns) : turns,
    ...(prefill === undefined ? {} : { prefill: { text: prefill, sent: true } }),
  };
}

function toMessage(given: Message, index: number): ChatMessage {
  const at = `messages[${index}]`;
  if (given.role !== "assistant" && given.tool_calls !== undefined) {
    throw invalid(`${at}.tool_calls`, "only an assistant makes calls");
  }
  if ((given.role === "tool") !== (given.tool_call_id !== undefined)) {
    throw invalid(`${at}.tool_call_id`, "it belongs to messages of role tool, and to each of them");
  }
  if (given.content === undefined && given.tool_calls === undefined) {
    throw invalid(`${at}.content`, "it is missing");
  }
  return {
    // "developer" is what newer models call the same thing.
    role: given.role === "developer" ? "system" : given.role,
    content: toText(given.content ?? "", ["messages", index, "content"], TEXT_PART),
    ...(given.name === undefined ? {} : { name: given.name }),
    ...(given.tool_call_id === undefined ? {} : { toolCallId: given.tool_call_id }),
    ...(given.tool_calls === undefined
      ? {}
      : {
          toolCalls: given.tool_calls.map((call, i) => toToolCall(call, `${at}.tool_calls[${i}]`)),
        }),
  };
}

function toToolCall(call: NonNullable<Message["tool_calls"]>[number], at: string): ChatToolCall {
  const { name, arguments: json } = call.function;
  try {
    return { id: call.id, function: { name, arguments: parseJson(json) } };
  } catch {
    throw invalid(`${at}.function.arguments`, "it is not valid JSON");
  }
}
