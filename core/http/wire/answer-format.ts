import * as v from "valibot";
import type { AnswerFormat } from "../../grammar/format.ts";
import { MAX_REGEX_CHARS, MAX_SOURCE_CHARS } from "../../grammar/limits.ts";
import { RuntimeError } from "../../errors.ts";
import { unsupported } from "./check.ts";
import { flag, maybe, object, text } from "./fields.ts";

/** What an answer has to be, and the field that says so, for errors about it. */
export interface AskedFormat {
  readonly format: AnswerFormat;
  readonly param: string;
}

/** A schema is checked where it is compiled. */
export const schema: v.GenericSchema<unknown, Readonly<Record<string, unknown>> | boolean | null> =
  v.custom<Readonly<Record<string, unknown>> | boolean | null>(
    (input) => typeof input === "object" || typeof input === "boolean",
    "a JSON Schema",
  );

const JSON_SCHEMA = object({
  type: v.literal("json_schema"),
  json_schema: object({
    name: v.pipe(
      text(1, 64),
      v.regex(/^[\w-]+$/, "a name of letters, digits, underscores and dashes"),
    ),
    description: maybe(text(0, 4096)),
    schema: v.optional(schema),
    // All schemas are enforced, strictly or not at all.
    strict: maybe(flag()),
  }),
});

const PLAIN = object({
  type: v.picklist(["text", "json_object"], "text, json_object or json_schema"),
});

/** OpenAI's `response_format`, checked. */
type ResponseFormat =
  | { readonly type: "text" | "json_object" }
  | { readonly type: "json_schema"; readonly json_schema: { readonly schema?: unknown } };

const responseFormat: v.GenericSchema<unknown, ResponseFormat> = v.lazy(
  (input): v.GenericSchema<unknown, ResponseFormat> =>
    typeof input === "object" && input !== null && "type" in input && input.type === "json_schema"
      ? JSON_SCHEMA
      : PLAIN,
);

type Field<T> = v.GenericSchema<unknown, T | undefined>;

/** Fields of a request that say what its answer has to be. */
export interface FormatFields {
  readonly response_format: Field<ResponseFormat>;
  readonly grammar: Field<string>;
  readonly structured_outputs: Field<StructuredOutputs>;
}

interface StructuredOutputs {
  readonly json?: unknown;
  readonly regex?: string | undefined;
  readonly grammar?: string | undefined;
  readonly json_object?: boolean | undefined;
}

/** How to read {@linkcode FormatFields}. */
export const FORMAT_FIELDS: FormatFields = {
  response_format: maybe(responseFormat),
  /** llama-server's: a grammar in its notation. */
  grammar: maybe(text(1, MAX_SOURCE_CHARS)),
  /** vLLM's, of which these are served. */
  structured_outputs: maybe(
    object({
      json: v.optional(schema),
      regex: maybe(text(1, MAX_REGEX_CHARS)),
      grammar: maybe(text(1, MAX_SOURCE_CHARS)),
      json_object: maybe(flag()),
    }),
  ),
};

type FormatValues = { readonly [K in keyof FormatFields]: v.InferOutput<FormatFields[K]> };

/**
 * Throws `UNSUPPORTED_PARAMETER` where an answer of a certain form, or one that may call tools, is to go on
 * from a text, and where it is to be both.
 */
export function checkForm(
  format: AskedFormat | undefined,
  tools: object | undefined,
  prefill: object | undefined,
): void {
  const formed = format?.param ?? (tools === undefined ? undefined : "tools");
  if (formed !== undefined && prefill !== undefined) {
    throw unsupported(formed, "the form of an answer that has been begun cannot be enforced");
  }
  if (format !== undefined && tools !== undefined) {
    throw unsupported(format.param, "an answer cannot be held to a form and call tools");
  }
}

/** What these fields ask for together. Throws `INVALID_REQUEST` where they ask for several things. */
export function toAskedFormat(values: FormatValues): { readonly format?: AskedFormat } {
  const asked = [...ofResponseFormat(values), ...ofExtensions(values)];
  const [first, second] = asked;
  if (second === undefined) return first === undefined ? {} : { format: first };
  throw new RuntimeError(
    "INVALID_REQUEST",
    `Cannot accept '${second.param}': '${first!.param}' already says what the answer has to be; send one of them`,
    { param: second.param },
  );
}

function ofResponseFormat({ response_format: given }: FormatValues): AskedFormat[] {
  if (given === undefined || given.type === "text") return [];
  if (given.type !== "json_schema" || given.json_schema.schema === undefined) {
    return [{ format: { type: "json_object" }, param: "response_format" }];
  }
  const param = "response_format.json_schema.schema";
  return [{ format: { type: "json_schema", schema: given.json_schema.schema }, param }];
}

function ofExtensions({ grammar, structured_outputs: more }: FormatValues): AskedFormat[] {
  const asked: AskedFormat[] = [];
  if (grammar !== undefined) asked.push({ format: { type: "gbnf", grammar }, param: "grammar" });
  if (more === undefined) return asked;
  const within = "structured_outputs";
  if (more.json !== undefined) {
    asked.push({ format: { type: "json_schema", schema: more.json }, param: `${within}.json` });
  }
  if (more.json_object === true) {
    asked.push({ format: { type: "json_object" }, param: `${within}.json_object` });
  }
  if (more.regex !== undefined) {
    asked.push({ format: { type: "regex", pattern: more.regex }, param: `${within}.regex` });
  }
  if (more.grammar !== undefined) {
    asked.push({ format: { type: "gbnf", grammar: more.grammar }, param: `${within}.grammar` });
  }
  return asked;
}
