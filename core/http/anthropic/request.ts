import * as v from "valibot";
import type { ChatMessage, ChatToolCall } from "../../chat/template.ts";
import { checkForm, schema, type AskedFormat } from "../wire/answer-format.ts";
import type { AskedChat } from "../wire/asked.ts";
import { check, invalid } from "../wire/check.ts";
import { flag, integer, list, maybe, number, object, record, text } from "../wire/fields.ts";
import { content, MAX_TEXT, textPart, toPartText, toText, typeOf } from "../wire/parts.ts";
import { never, screen, type Restriction, type ScreenRules } from "../wire/parameters.ts";
import { MAX_MESSAGES, toAsked } from "../wire/shared-fields.ts";
import { MAX_TOOLS, TOOL_PARTS, toToolUse } from "../wire/tools.ts";

/** Thinking that is switched off is what is served. */
const thinking: Restriction = {
  accepts: (value) => typeOf(value) === "disabled" && Object.keys(value ?? {}).length === 1,
  why: 'only {"type": "disabled"} is served',
};

/** What `POST /v1/messages` has beyond what is served here. */
const RULES: ScreenRules = {
  restrictions: new Map<string, Restriction>([
    ["thinking", thinking],
    ["speed", never("there is one speed")],
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

const tool = object({
  type: maybe(v.literal("custom", '"custom"')),
  name: TOOL_PARTS.name,
  description: TOOL_PARTS.description,
  input_schema: TOOL_PARTS.parameters,
  strict: maybe(flag()),
  cache_control: cacheControl,
});

const toolChoice = object({
  type: v.picklist(["auto", "any", "tool", "none"], "auto, any, tool or none"),
  name: maybe(text(1, 64)),
  disable_parallel_tool_use: maybe(flag()),
});

const outputConfig = maybe(
  object({ format: maybe(object({ type: v.literal("json_schema", '"json_schema"'), schema })) }),
);

const conversation = {
  model: text(1, 256),
  messages: list(message, 1, MAX_MESSAGES, "messages"),
  system: maybe(content),
  tools: maybe(list(tool, 0, MAX_TOOLS, "tools")),
  tool_choice: maybe(toolChoice),
  cache_control: cacheControl,
};

const request = object({
  ...conversation,
  max_tokens: integer(1, 2 ** 31 - 1),
  output_config: outputConfig,
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
  const turns = toTurns(values);
  const format = toFormat(values.output_config?.format?.schema);
  const { tools } = toTools(values);
  checkForm(format, tools, turns.prefill);
  return {
    ...toAsked({ model, max_tokens, temperature, top_k, top_p, stream, stop }, [
      ...ignored,
      ...cacheMarks(values),
    ]),
    ...turns,
    ...(format === undefined ? {} : { format }),
    ...(tools === undefined ? {} : { tools }),
    candidates: 1,
    choices: 1,
    promptParam: "messages",
    logprobs: undefined,
  };
}

/** A body of `POST /v1/messages/count_tokens`, checked. Throws as {@linkcode parseMessagesRequest}. */
export function parseCountRequest(
  body: unknown,
): Pick<AskedChat, "model" | "messages" | "prefill" | "tools" | "ignored"> {
  const { fields, ignored } = screen(body, RULES);
  const values = check(object(conversation), fields);
  return {
    model: values.model,
    ...toTurns(values),
    ...toTools(values),
    ignored: [...ignored, ...cacheMarks(values)],
  };
}

function toFormat(given: unknown): AskedFormat | undefined {
  if (given === undefined) return undefined;
  return { format: { type: "json_schema", schema: given }, param: "output_config.format.schema" };
}

/** Tools in OpenAI's words. Throws `INVALID_REQUEST`. */
function toTools({
  tools = [],
  tool_choice: choice,
}: Pick<v.InferOutput<typeof request>, "tools" | "tool_choice">): Pick<AskedChat, "tools"> {
  if (choice?.type === "tool" && choice.name === undefined)
    throw invalid("tool_choice.name", "it is missing");
  return toToolUse({
    tools:
      tools.length === 0
        ? undefined
        : tools.map(({ name, description, input_schema, strict }) => ({
            function: { name, description, parameters: input_schema, strict },
          })),
    tool_choice: choice?.type === "tool" ? { function: { name: choice.name ?? "" } } : choice?.type,
    parallel_tool_calls: choice?.disable_parallel_tool_use === true ? false : undefined,
  });
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
