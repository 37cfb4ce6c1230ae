import * as v from "valibot";
import type { ChatMessage, ChatToolCall } from "../../chat/template.ts";
import { checkForm, schema, type AskedFormat } from "../wire/answer-format.ts";
import type { AskedChat } from "../wire/asked.ts";
import { check, invalid, unsupported } from "../wire/check.ts";
import { flag, integer, list, maybe, number, object, record, text } from "../wire/fields.ts";
import { parseJson } from "../wire/json.ts";
import { never, only, screen, type Restriction, type ScreenRules } from "../wire/parameters.ts";
import { content, MAX_TEXT, textPart, toText, typeOf } from "../wire/parts.ts";
import { MAX_MESSAGES, SHARED_FIELDS, toAsked } from "../wire/shared-fields.ts";
import { MAX_TOOLS, TOOL_PARTS, toToolUse } from "../wire/tools.ts";

/** A request for a response, and what the response repeats of it. */
export interface AskedResponse extends AskedChat {
  readonly echo: {
    readonly instructions: string | null;
    readonly max_output_tokens: number | null;
    readonly temperature: number;
    readonly top_p: number;
    readonly top_logprobs: number;
    readonly metadata: Readonly<Record<string, string>>;
    readonly text: { readonly format: object };
    readonly tools: readonly object[];
    readonly tool_choice: string | object;
    readonly parallel_tool_calls: boolean;
  };
}

const NO_STORE = never("answers are never stored");

/** What `POST /v1/responses` has beyond what is served here. */
const RULES: ScreenRules = {
  restrictions: new Map<string, Restriction>([
    ["store", only(false, "answers are never stored")],
    ["previous_response_id", NO_STORE],
    ["conversation", NO_STORE],
    ["prompt", NO_STORE],
    ["background", only(false, "answers are given at once")],
    ["truncation", only("disabled", "a conversation is taken as it is")],
    ["context_management", never("a conversation is taken as it is")],
    ["max_tool_calls", never("no tools are called here, the client calls them")],
    ["reasoning", never("this model family has no reasoning settings")],
    ["moderation", never("answers are not moderated")],
    ["prompt_cache_retention", never("prompt caching cannot be controlled")],
    ["prompt_cache_options", never("prompt caching cannot be controlled")],
  ]),
  ignored: ["user", "safety_identifier", "prompt_cache_key", "service_tier", "store"],
};

const TEXT_PART = textPart(["input_text", "output_text", "text"], {
  annotations: maybe(list(v.unknown(), 0, 1024, "annotations")),
  logprobs: maybe(list(v.unknown(), 0, 1_000_000, "log-probabilities")),
});

const status = maybe(
  v.picklist(["in_progress", "completed", "incomplete"], "in_progress, completed or incomplete"),
);

const message = object({
  type: maybe(v.literal("message", '"message"')),
  id: maybe(text(1, 128)),
  status,
  phase: maybe(text(1, 32)),
  role: v.picklist(["user", "assistant", "system", "developer"], "user, assistant or system"),
  content,
});

const call = object({
  type: v.literal("function_call", '"function_call"'),
  id: maybe(text(1, 128)),
  call_id: text(1, 128),
  name: text(1, 128),
  arguments: text(0, MAX_TEXT),
  status,
});

const result = object({
  type: v.literal("function_call_output", '"function_call_output"'),
  id: maybe(text(1, 128)),
  call_id: text(1, 128),
  output: content,
  status,
});

const JSON_SCHEMA = object({
  type: v.literal("json_schema", '"json_schema"'),
  name: text(1, 64),
  description: maybe(text(0, 4096)),
  schema,
  // All schemas are enforced, strictly or not at all.
  strict: maybe(flag()),
});

const PLAIN = object({
  type: v.picklist(["text", "json_object"], "text, json_object or json_schema"),
});

type TextFormat = v.InferOutput<typeof PLAIN> | v.InferOutput<typeof JSON_SCHEMA>;

const format = v.lazy((input): v.GenericSchema<unknown, TextFormat> =>
  typeOf(input) === "json_schema" ? JSON_SCHEMA : PLAIN,
);

const tool = object({
  type: v.literal("function", '"function"'),
  ...TOOL_PARTS,
  strict: maybe(flag()),
});

const toolChoice = v.lazy((input) =>
  typeof input === "object"
    ? object({ type: v.literal("function", '"function"'), name: TOOL_PARTS.name })
    : v.picklist(["auto", "none", "required"], "auto, none, required or a function by name"),
);

const request = object({
  model: text(1, 256),
  tools: maybe(list(tool, 0, MAX_TOOLS, "tools")),
  tool_choice: maybe(toolChoice),
  parallel_tool_calls: maybe(flag()),
  input: v.lazy((input): v.GenericSchema<unknown, string | unknown[]> =>
    Array.isArray(input) ? list(v.unknown(), 1, MAX_MESSAGES, "items") : text(1, MAX_TEXT),
  ),
  instructions: maybe(text(0, MAX_TEXT)),
  max_output_tokens: maybe(integer(1, 2 ** 31 - 1)),
  temperature: maybe(number(0, 2)),
  top_p: maybe(number(0, 1)),
  top_logprobs: maybe(integer(0, 20)),
  include: maybe(list(text(1, 64), 0, 16, "texts")),
  stream: maybe(flag()),
  stream_options: maybe(object({ include_obfuscation: maybe(flag()) })),
  text: maybe(object({ format: maybe(format), verbosity: maybe(v.unknown()) })),
  metadata: maybe(record(/^[^]{1,64}$/, text(0, 512), 16, "texts with keys of 1 to 64 characters")),
  user: SHARED_FIELDS.user,
  safety_identifier: SHARED_FIELDS.safety_identifier,
  prompt_cache_key: SHARED_FIELDS.prompt_cache_key,
  service_tier: SHARED_FIELDS.service_tier,
});

/** What may be included beyond what is there. */
const LOGPROBS = "message.output_text.logprobs";

/** A body of `POST /v1/responses`, checked. Throws `INVALID_REQUEST`, `UNSUPPORTED_PARAMETER`, `UNSUPPORTED_MODALITY`. */
export function parseResponseRequest(body: unknown): AskedResponse {
  const { fields, ignored } = screen(body, RULES);
  const values = check(request, fields);
  const { model, max_output_tokens: maxTokens, temperature, top_p: topP, stream } = values;
  const { instructions = "" } = values;
  const turns = toTurns(values.input);
  const formed = toFormat(values.text?.format ?? PLAIN_TEXT);
  const called = toTools(values);
  checkForm(formed.format, called.tools, undefined);
  return {
    ...toAsked({ model, max_tokens: maxTokens, temperature, top_p: topP, stream }, ignored),
    ...formed,
    ...called,
    candidates: 1,
    choices: 1,
    promptParam: "input",
    messages: instructions === "" ? turns : [{ role: "system", content: instructions }, ...turns],
    logprobs: toLogprobs(values),
    echo: toEcho(values),
  };
}

type Values = v.InferOutput<typeof request>;

const PLAIN_TEXT = { type: "text" } as const;

/** Alternatives to each token, where log-probabilities are to be included. Throws `UNSUPPORTED_PARAMETER`. */
function toLogprobs({
  include = [],
  top_logprobs: alternatives = 0,
  text: given,
}: Values): number | undefined {
  const other = include.findIndex((what) => what !== LOGPROBS);
  if (other >= 0) throw unsupported(`include[${other}]`, `only ${LOGPROBS} can be included`);
  if ((given?.verbosity ?? "medium") !== "medium") {
    throw unsupported("text.verbosity", "this model family has no such setting");
  }
  return include.length > 0 || alternatives > 0 ? alternatives : undefined;
}

/** Tools in the words of chat completions. Throws `INVALID_REQUEST`. */
function toTools({
  tools = [],
  tool_choice: choice,
  parallel_tool_calls: parallel,
}: Values): Pick<AskedChat, "tools"> {
  return toToolUse({
    tools: tools.length === 0 ? undefined : tools.map((one) => ({ function: one })),
    tool_choice: typeof choice === "object" ? { function: choice } : choice,
    parallel_tool_calls: parallel,
  });
}

/** What a response repeats; what was not said is there, too. */
function toEcho(values: Values): AskedResponse["echo"] {
  return {
    instructions: values.instructions ?? null,
    max_output_tokens: values.max_output_tokens ?? null,
    temperature: values.temperature ?? 1,
    top_p: values.top_p ?? 1,
    top_logprobs: values.top_logprobs ?? 0,
    metadata: values.metadata ?? {},
    text: { format: values.text?.format ?? PLAIN_TEXT },
    tools: (values.tools ?? []).map(toEchoedTool),
    tool_choice: values.tool_choice ?? "auto",
    parallel_tool_calls: values.parallel_tool_calls ?? true,
  };
}

function toEchoedTool({
  name,
  description,
  parameters,
  strict,
}: v.InferOutput<typeof tool>): object {
  return {
    type: "function",
    name,
    ...(description === undefined ? {} : { description }),
    parameters: parameters ?? null,
    strict: strict ?? null,
  };
}

function toFormat(given: TextFormat): { readonly format?: AskedFormat } {
  if (given.type !== "json_schema") {
    if (given.type === "text") return {};
    return { format: { format: { type: "json_object" }, param: "text.format" } };
  }
  const wanted = { type: "json_schema", schema: given.schema } as const;
  return { format: { format: wanted, param: "text.format.schema" } };
}

function toTurns(input: string | readonly unknown[]): ChatMessage[] {
  if (typeof input === "string") return [{ role: "user", content: input }];
  const turns: ChatMessage[] = [];
  for (const [i, item] of input.entries()) {
    const at = ["input", i];
    const type = typeOf(item) ?? "message";
    if (type === "function_call") addCall(turns, check(call, item, at), `input[${i}].arguments`);
    else if (type === "function_call_output") {
      const { call_id: toolCallId, output } = check(result, item, at);
      turns.push({
        role: "tool",
        toolCallId,
        content: toText(output, [...at, "output"], TEXT_PART),
      });
    } else if (type === "message") {
      const { role, content: given } = check(message, item, at);
      const said = toText(given, [...at, "content"], TEXT_PART);
      turns.push({ role: role === "developer" ? "system" : role, content: said });
    } else {
      throw unsupported(
        `input[${i}].type`,
        "only messages, function calls and their outputs are served",
      );
    }
  }
  return turns;
}

/** Calls are items of their own here; in a conversation they belong to a turn of the assistant. */
function addCall(
  turns: ChatMessage[],
  { call_id: id, name, arguments: json }: v.InferOutput<typeof call>,
  param: string,
): void {
  let made: ChatToolCall;
  try {
    made = { id, function: { name, arguments: parseJson(json) } };
  } catch {
    throw invalid(param, "it is not valid JSON");
  }
  const last = turns.at(-1);
  if (last?.role !== "assistant") turns.push({ role: "assistant", content: "", toolCalls: [made] });
  else turns[turns.length - 1] = { ...last, toolCalls: [...(last.toolCalls ?? []), made] };
}
