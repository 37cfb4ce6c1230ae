import * as v from "valibot";
import type { ChatMessage, ChatToolCall } from "../../chat/template.ts";
import type { AskedChat } from "../wire/asked.ts";
import { check, invalid } from "../wire/check.ts";
import { flag, integer, list, maybe, number, object, record, text } from "../wire/fields.ts";
import { content, MAX_TEXT, textPart, toPartText, toText, typeOf } from "../wire/parts.ts";
import { never, screen, type Restriction, type ScreenRules } from "../wire/parameters.ts";
import { MAX_MESSAGES, toAsked } from "../wire/shared-fields.ts";

const NO_TOOLS = never("tools are not served");
const NO_EFFORT = never("this model family has no reasoning settings");

/** Thinking that is switched off is what is served. */
const thinking: Restriction = {
  accepts: (value) => typeOf(value) === "disabled" && Object.keys(value ?? {}).length === 1,
  why: 'only {"type": "disabled"} is served',
};

/** What `POST /v1/messages` has beyond what is served here. */
const RULES: ScreenRules = {
  restrictions: new Map<string, Restriction>([
    ["thinking", thinking],
    ["tools", NO_TOOLS],
    ["tool_choice", NO_TOOLS],
    ["output_config", NO_EFFORT],
    ["speed", NO_EFFORT],
    ["container", never("there are no containers")],
    ["mcp_servers", never("no other servers are asked")],
    ["context_management", never("a conversation is taken as it is")],
    ["diagnostics", never("there are no diagnostics")],
    ["inference_geo", never("this server is where it is")],
    ["user_profile_id", never("there are no profiles")],
    ["workspace_id", never("there are no workspaces")],
  ]),
  ignored: ["metadata", "service_tier", "cache_control"],
};

const cacheControl = maybe(record(/^[a-z_]{1,32}$/, text(1, 32), 8, "texts"));

const TEXT_PART = textPart(["text"], {
  cache_control: cacheControl,
  citations: maybe(list(v.unknown(), 0, 0, "citations")),
});

const toolUse = object({
  type: v.literal("tool_use", '"tool_use"'),
  id: text(1, 128),
  name: text(1, 128),
  input: v.record(v.string(), v.unknown(), "an object"),
  cache_control: cacheControl,
});

const toolResult = object({
  type: v.literal("tool_result", '"tool_result"'),
  tool_use_id: text(1, 128),
  content: maybe(content),
  is_error: maybe(flag()),
  cache_control: cacheControl,
});

const message = object({
  role: v.picklist(["user", "assistant", "system"], "user or assistant"),
  content,
});

const conversation = {
  model: text(1, 256),
  messages: list(message, 1, MAX_MESSAGES, "messages"),
  system: maybe(content),
  cache_control: cacheControl,
};

const request = object({
  ...conversation,
  max_tokens: integer(1, 2 ** 31 - 1),
  metadata: maybe(object({ user_id: maybe(text(0, 512)) })),
  service_tier: maybe(v.picklist(["auto", "standard_only"], "auto or standard_only")),
  stop_sequences: maybe(list(text(1, MAX_TEXT), 0, 1024, "texts")),
  stream: maybe(flag()),
  temperature: maybe(number(0, 1)),
  top_k: maybe(integer(0, 1_000_000)),
  top_p: maybe(number(0, 1)),
});

/** A body of `POST /v1/messages`, checked. Throws `INVALID_REQUEST`, `UNSUPPORTED_PARAMETER`, `UNSUPPORTED_MODALITY`. */
export function parseMessagesRequest(body: unknown): AskedChat {
  const { fields, ignored } = screen(body, RULES);
  const values = check(request, fields);
  const { model, max_tokens, temperature, top_k, top_p, stream, stop_sequences: stop } = values;
  return {
    ...toAsked({ model, max_tokens, temperature, top_k, top_p, stream, stop }, [
      ...ignored,
      ...cacheMarks(values),
    ]),
    ...toTurns(values),
    candidates: 1,
    choices: 1,
    promptParam: "messages",
    logprobs: undefined,
  };
}

/** A body of `POST /v1/messages/count_tokens`, checked. Throws as {@linkcode parseMessagesRequest}. */
export function parseCountRequest(
  body: unknown,
): Pick<AskedChat, "model" | "messages" | "prefill" | "ignored"> {
  const { fields, ignored } = screen(body, RULES);
  const values = check(object(conversation), fields);
  return {
    model: values.model,
    ...toTurns(values),
    ignored: [...ignored, ...cacheMarks(values)],
  };
}

type Conversation = {
  readonly messages: readonly v.InferOutput<typeof message>[];
  readonly system: string | readonly unknown[] | undefined;
};

/** The turns to answer; where the last is the assistant's, the answer goes on from it, without repeating it. */
function toTurns({ messages, system }: Conversation): Pick<AskedChat, "messages" | "prefill"> {
  const turns = messages.flatMap(({ role, content: given }, i) =>
    toMessages(role, given, ["messages", i, "content"]),
  );
  const last = messages.at(-1);
  const begun = last?.role === "assistant" && turns.at(-1)?.toolCalls === undefined;
  const prefill = begun ? turns.pop()?.content : undefined;
  if (turns.length === 0) throw invalid("messages", "there is nothing to answer");
  const opening = system === undefined ? "" : toText(system, ["system"], TEXT_PART);
  if (opening !== "") turns.unshift({ role: "system", content: opening });
  return {
    messages: turns,
    ...(prefill === undefined ? {} : { prefill: { text: prefill, sent: false } }),
  };
}

/** One message; results of tools, which Anthropic puts among a user's parts, become messages of their own. */
function toMessages(
  role: "user" | "assistant" | "system",
  given: string | readonly unknown[],
  at: readonly (string | number)[],
): ChatMessage[] {
  if (typeof given === "string") return [{ role, content: given }];
  const results: ChatMessage[] = [];
  const toolCalls: ChatToolCall[] = [];
  let said = "";
  for (const [i, part] of given.entries()) {
    const type = typeOf(part);
    if (role === "user" && type === "tool_result") {
      results.push(toResult(check(toolResult, part, [...at, i]), [...at, i, "content"]));
    } else if (role === "assistant" && type === "tool_use") {
      const { id, name, input } = check(toolUse, part, [...at, i]);
      toolCalls.push({ id, function: { name, arguments: input } });
    } else {
      said += toPartText(part, [...at, i], TEXT_PART);
    }
  }
  if (results.length > 0 && said === "") return results;
  return [...results, { role, content: said, ...(toolCalls.length > 0 ? { toolCalls } : {}) }];
}

function toResult(
  {
    tool_use_id: toolCallId,
    content: given = "",
    is_error: failed,
  }: v.InferOutput<typeof toolResult>,
  at: readonly (string | number)[],
): ChatMessage {
  const result = toText(given, at, TEXT_PART);
  return { role: "tool", toolCallId, content: failed === true ? `Error: ${result}` : result };
}

/** Caching is not steered by marks: what is named once for all parts that have one. */
function cacheMarks({ messages, system }: Conversation): readonly string[] {
  const found = messages.some(({ content: given }) => isMarked(given)) || isMarked(system);
  return found ? ["content.cache_control"] : [];
}

function isMarked(given: string | readonly unknown[] | undefined): boolean {
  if (given === undefined || typeof given === "string") return false;
  return given.some((part) => {
    const mark = typeof part === "object" && part !== null && "cache_control" in part;
    return mark && part.cache_control !== null;
  });
}
