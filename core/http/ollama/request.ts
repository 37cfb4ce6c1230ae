import * as v from "valibot";
import type { ChatMessage, ChatToolCall } from "../../chat/template.ts";
import { checkForm, schema, type AskedFormat } from "../wire/answer-format.ts";
import type { AskedChat, AskedEmbeddings } from "../wire/asked.ts";
import { check, invalid } from "../wire/check.ts";
import { MAX_INPUTS } from "../wire/embedding-request.ts";
import { flag, integer, list, maybe, object, text } from "../wire/fields.ts";
import { never, only, screen, type Restriction, type ScreenRules } from "../wire/parameters.ts";
import { MAX_TEXT } from "../wire/parts.ts";
import { MAX_MESSAGES, toAsked } from "../wire/shared-fields.ts";
import { TOOL_FIELDS, toToolUse, type ToolFields } from "../wire/tools.ts";
import { fromOptions } from "./options.ts";

/** A request for `/api/generate`: a turn of a conversation, or a text as it stands. */
export interface AskedGenerate extends AskedChat {
  /** The prompt is taken without a template. */
  readonly raw: boolean;
  /** What follows the gap that the answer fills. */
  readonly suffix: string | undefined;
}

/** A request that only wants a model to be in memory, or not. */
export interface AskedPreload {
  readonly model: string;
  /** It is not needed any more. */
  readonly leaves: boolean;
  readonly ignored: readonly string[];
}

/** `keep_alive` in the forms in which clients ask for a model to be let go. */
const AT_ONCE: ReadonlySet<unknown> = new Set([0, "0", "0s"]);

const none: Restriction = {
  accepts: (value) => Array.isArray(value) && value.length === 0,
  why: "this model reads text only",
};

/** What Ollama's API has beyond what is served here. */
const RULES: ScreenRules = {
  restrictions: new Map<string, Restriction>([
    ["think", only(false, "this model family does not think aloud")],
    ["images", none],
    ["template", only("", "the model's own template is used")],
    ["context", never("send the conversation to /api/chat")],
    ["width", never("no images are made")],
    ["height", never("no images are made")],
    ["steps", never("no images are made")],
  ]),
  ignored: ["keep_alive"],
};

/** Models here have no tags; `latest` is what clients put behind a name without one. */
const model = v.pipe(
  text(1, 256),
  v.transform((name) => name.replace(/:latest$/, "")),
);

const NO_TOOLS = v.pipe(
  v.array(v.never()),
  v.transform(() => undefined),
);

const FORMAT_NAME = v.picklist(["", "json"], '"json" or a JSON Schema');

const COMMON = {
  model,
  stream: maybe(flag()),
  options: maybe(v.unknown()),
  keep_alive: maybe(v.union([v.number(), text(0, 32)], "a number or a text")),
  logprobs: maybe(flag()),
  top_logprobs: maybe(integer(0, 20)),
  // "json", or a schema.
  format: maybe(v.lazy((input) => (typeof input === "string" ? FORMAT_NAME : schema))),
};

const toolCall = object({
  id: maybe(text(1, 128)),
  type: maybe(v.literal("function", '"function"')),
  function: object({
    index: maybe(integer(0, 1024)),
    name: text(1, 128),
    arguments: v.record(v.string(), v.unknown(), "an object"),
  }),
});

const message = object({
  role: v.picklist(["system", "user", "assistant", "tool"], "system, user, assistant or tool"),
  content: maybe(text(0, MAX_TEXT)),
  images: maybe(list(v.unknown(), 0, 0, "images")),
  thinking: maybe(text(0, 0)),
  tool_calls: maybe(list(toolCall, 0, 128, "calls")),
  tool_name: maybe(text(1, 128)),
  tool_call_id: maybe(text(1, 128)),
});

/** What `/api/chat` takes. */
const CHAT_FIELDS = {
  ...COMMON,
  messages: list(message, 1, MAX_MESSAGES, "messages"),
  tools: maybe(
    v.lazy((input): ToolFields["tools"] =>
      // Its clients send none as an empty list.
      Array.isArray(input) && input.length === 0 ? NO_TOOLS : TOOL_FIELDS.tools,
    ),
  ),
};

/** What `/api/generate` takes. */
const GENERATE_FIELDS = {
  ...COMMON,
  prompt: text(1, MAX_TEXT),
  suffix: maybe(text(0, MAX_TEXT)),
  system: maybe(text(0, MAX_TEXT)),
  raw: maybe(flag()),
};

const chat = object(CHAT_FIELDS);
const generate = object(GENERATE_FIELDS);
const emptyChat = object({ ...CHAT_FIELDS, messages: maybe(list(v.never(), 0, 0, "messages")) });
const emptyGenerate = object({ ...GENERATE_FIELDS, prompt: maybe(text(0, 0)) });

const embed = object({
  model,
  input: v.lazy((input): v.GenericSchema<unknown, string | string[]> =>
    Array.isArray(input) ? list(text(0, MAX_TEXT), 1, MAX_INPUTS, "texts") : text(0, MAX_TEXT),
  ),
  truncate: maybe(flag()),
  dimensions: maybe(integer(1, 65_536)),
  options: maybe(v.unknown()),
  keep_alive: COMMON.keep_alive,
});

/** A body of `POST /api/chat`, checked. Throws `INVALID_REQUEST`, `UNSUPPORTED_PARAMETER`. */
export function parseOllamaChat(body: unknown): AskedChat {
  const { fields, ignored } = screen(body, RULES);
  const values = check(chat, fields);
  const turns = toTurns(values.messages);
  // A turn of the assistant at the end is begun, and the answer goes on from it.
  const last = turns.at(-1)!;
  const begun = last.role === "assistant" && last.toolCalls === undefined;
  const prefill = begun ? { text: last.content, sent: false } : undefined;
  if (begun) turns.pop();
  if (turns.length === 0) throw invalid("messages", "there is nothing to answer");
  const common = toCommon(values, ignored);
  const { tools } = toToolUse({ tools: values.tools });
  checkForm(common.format, tools, prefill);
  return {
    ...common,
    ...(tools === undefined ? {} : { tools }),
    promptParam: "messages",
    messages: turns,
    ...(prefill === undefined ? {} : { prefill }),
  };
}

/** A body of `POST /api/generate`, checked. Throws as {@linkcode parseOllamaChat}. */
export function parseGenerate(body: unknown): AskedGenerate {
  const { fields, ignored } = screen(body, RULES);
  const values = check(generate, fields);
  const { prompt, system = "", raw = false } = values;
  if (raw && system !== "") throw invalid("system", "a raw prompt has no other parts");
  const turn: ChatMessage = { role: "user", content: prompt };
  return {
    ...toCommon(values, ignored),
    promptParam: "prompt",
    messages: system === "" ? [turn] : [{ role: "system", content: system }, turn],
    raw,
    suffix: values.suffix === "" ? undefined : values.suffix,
  };
}

/** A body of `POST /api/chat` without messages, checked; nothing where it has some. Throws as {@linkcode parseOllamaChat}. */
export function parseEmptyChat(body: unknown): AskedPreload | undefined {
  return isWithout(body, "messages") ? toPreload(body, emptyChat) : undefined;
}

/** A body of `POST /api/generate` without a prompt. */
export function parseEmptyGenerate(body: unknown): AskedPreload | undefined {
  return isWithout(body, "prompt") ? toPreload(body, emptyGenerate) : undefined;
}

/** Whether there is nothing under a name of a body, or something empty. */
function isWithout(body: unknown, name: string): boolean {
  if (typeof body !== "object" || body === null || Array.isArray(body)) return false;
  const value: unknown = new Map<string, unknown>(Object.entries(body)).get(name) ?? "";
  return value === "" || (Array.isArray(value) && value.length === 0);
}

function toPreload(
  body: unknown,
  form: v.GenericSchema<unknown, { model: string; keep_alive?: unknown }>,
): AskedPreload {
  const { fields, ignored } = screen(body, RULES);
  const { model: name, keep_alive: keepAlive } = check(form, fields);
  return { model: name, leaves: AT_ONCE.has(keepAlive), ignored };
}

/** A body of `POST /api/embed`, checked. Throws as {@linkcode parseOllamaChat}. */
export function parseOllamaEmbed(body: unknown): AskedEmbeddings {
  const { fields, ignored } = screen(body, RULES);
  const values = check(embed, fields);
  const options = fromOptions(values.options);
  return {
    model: values.model,
    inputs: typeof values.input === "string" ? [values.input] : values.input,
    inputParam: "input",
    dimensions: values.dimensions,
    base64: false,
    truncate: values.truncate ?? true,
    ignored: [...ignored, ...options.ignored],
  };
}

function toCommon(
  given: Pick<v.InferOutput<typeof chat>, Exclude<keyof typeof COMMON, "keep_alive">>,
  ignored: readonly string[],
): Omit<AskedChat, "messages" | "promptParam"> {
  const options = fromOptions(given.options);
  const { model: name, stream = true, logprobs = false, top_logprobs: alternatives = 0 } = given;
  if (alternatives > 0 && !logprobs) {
    throw invalid("top_logprobs", "it is for requests with logprobs: true");
  }
  return {
    ...toAsked({ ...options.values, model: name, stream }, [...ignored, ...options.ignored]),
    ...toFormat(given.format),
    candidates: 1,
    choices: 1,
    logprobs: logprobs ? alternatives : undefined,
  };
}

function toFormat(given: unknown): { readonly format?: AskedFormat } {
  if (given === undefined || given === "") return {};
  const format: AskedFormat["format"] =
    given === "json" ? { type: "json_object" } : { type: "json_schema", schema: given };
  return { format: { format, param: "format" } };
}

/** Ollama's calls may have no ids, and results then follow in the order of the calls. */
function toTurns(messages: readonly v.InferOutput<typeof message>[]): ChatMessage[] {
  const open: string[] = [];
  let calls = 0;
  return messages.map((given) => {
    const { role, content = "", tool_calls: made = [], tool_name: name } = given;
    const toolCalls = made.map((call): ChatToolCall => {
      // Mistral's templates want nine letters or digits.
      const id = call.id ?? String(++calls).padStart(9, "0");
      open.push(id);
      return { id, function: { name: call.function.name, arguments: call.function.arguments } };
    });
    if (role !== "tool") return { role, content, ...(made.length > 0 ? { toolCalls } : {}) };
    const toolCallId = given.tool_call_id ?? open.shift() ?? String(++calls).padStart(9, "0");
    return { role, content, toolCallId, ...(name === undefined ? {} : { name }) };
  });
}
