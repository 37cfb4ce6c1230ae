import * as v from "valibot";
import { RuntimeError } from "../../errors.ts";
import { MAX_SOURCE_CHARS } from "../../grammar/limits.ts";
import type { Tool, ToolChoice, ToolUse } from "../../tools/tools.ts";
import { flag, list, maybe, object, text } from "./fields.ts";

/** Tools of a request; OpenAI allows as many. */
export const MAX_TOOLS = 128;
/** Characters of a description: the model has to read it. */
const MAX_DESCRIPTION = 16_384;

/** OpenAI's rule, and dots, which Python's modules have. */
const NAME = /^[\w.-]{1,64}$/;

const name = v.pipe(
  text(1, 64),
  v.regex(NAME, "a name of letters, digits, underscores, dots and dashes"),
);

type Field<T> = v.GenericSchema<unknown, T | undefined>;

/** OpenAI's description of a tool, checked. */
interface WireTool {
  readonly function: {
    readonly name: string;
    readonly description?: string | undefined;
    readonly parameters?: object | undefined;
    readonly strict?: boolean | undefined;
  };
}

/** What a function is called, does and takes, in all APIs. */
export const TOOL_PARTS: {
  readonly name: v.GenericSchema<unknown, string>;
  readonly description: Field<string>;
  readonly parameters: Field<object>;
} = {
  name,
  description: maybe(text(0, MAX_DESCRIPTION)),
  parameters: maybe(
    v.custom<object>(
      (input) => typeof input === "object" && input !== null && !Array.isArray(input),
      "a JSON Schema",
    ),
  ),
};

const tool: v.GenericSchema<unknown, WireTool> = object({
  type: v.literal("function", '"function"'),
  function: object({ ...TOOL_PARTS, strict: maybe(flag()) }),
});

const named = object({ type: v.literal("function", '"function"'), function: object({ name }) });
const words = v.picklist(
  ["auto", "none", "required", "any"],
  "auto, none, required, any or a function by name",
);

type WireChoice =
  | "auto"
  | "none"
  | "required"
  | "any"
  | { readonly function: { readonly name: string } };

const choice: v.GenericSchema<unknown, WireChoice> = v.lazy(
  (input): v.GenericSchema<unknown, WireChoice> => (typeof input === "object" ? named : words),
);

/** Fields of a request for a turn with tools. */
export interface ToolFields {
  readonly tools: Field<WireTool[]>;
  readonly tool_choice: Field<WireChoice>;
  readonly parallel_tool_calls: Field<boolean>;
}

/** How to read {@linkcode ToolFields}. */
export const TOOL_FIELDS: ToolFields = {
  tools: maybe(list(tool, 1, MAX_TOOLS, "tools")),
  tool_choice: maybe(choice),
  parallel_tool_calls: maybe(flag()),
};

/** What those fields say; other APIs say it in these words. */
export type ToolValues = { readonly [K in keyof ToolFields]?: v.InferOutput<ToolFields[K]> };

/** What these fields ask for together; nothing where no call may be made. Throws `INVALID_REQUEST`. */
export function toToolUse(values: ToolValues): { readonly tools?: ToolUse } {
  const { tools: given, tool_choice: chosen = "auto", parallel_tool_calls: parallel } = values;
  if (given === undefined) {
    if (chosen === "auto" || chosen === "none") return {};
    throw invalid("tool_choice", "there are no 'tools' to choose from");
  }
  const tools = given.map(toTool);
  if (JSON.stringify(tools).length > 4 * MAX_SOURCE_CHARS) {
    throw invalid("tools", `together they have more than ${4 * MAX_SOURCE_CHARS} characters`);
  }
  const names = new Set<string>();
  for (const [i, { name: own }] of tools.entries()) {
    if (names.has(own)) throw invalid(`tools[${i}].function.name`, "another tool has this name");
    names.add(own);
  }
  if (chosen === "none") return {};
  const wanted = toChoice(chosen);
  if (typeof wanted === "object" && !names.has(wanted.name)) {
    throw invalid("tool_choice.function.name", "none of the 'tools' has this name");
  }
  return { tools: { tools, choice: wanted, parallel: parallel ?? true } };
}

function toTool({ function: { name: own, description, parameters, strict } }: WireTool): Tool {
  return {
    name: own,
    ...(description === undefined ? {} : { description }),
    ...(parameters === undefined ? {} : { parameters }),
    ...(strict === undefined ? {} : { strict }),
  };
}

function toChoice(given: Exclude<WireChoice, "none">): ToolChoice {
  if (typeof given === "object") return { name: given.function.name };
  // Mistral's word for it.
  return given === "any" ? "required" : given;
}

function invalid(param: string, why: string): RuntimeError {
  return new RuntimeError("INVALID_REQUEST", `Cannot accept '${param}': ${why}`, { param });
}
