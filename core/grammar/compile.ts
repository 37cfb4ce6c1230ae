/** Compiles what the text of an answer has to be. */
import { buildGrammar } from "./build.ts";
import type { Expression } from "./expression.ts";
import type { AnswerFormat } from "./format.ts";
import { parseGbnf } from "./gbnf.ts";
import type { Grammar } from "./grammar.ts";
import { schemaExpression } from "./json-schema/schema.ts";
import { OBJECT } from "./json-schema/text.ts";
import { MAX_KEPT_GRAMMARS } from "./limits.ts";
import { parseRegex } from "./regex.ts";

const compiled = new Map<string, Grammar>();

/**
 * The grammar of a format; those last used are kept. Throws `UNSUPPORTED_PARAMETER` and `INVALID_REQUEST`; `param` is
 * the field that holds the schema, pattern or grammar.
 */
export function compileFormat(format: AnswerFormat, param: string): Grammar {
  return keptGrammar(
    `${param} ${JSON.stringify(format)}`,
    () => formatExpression(format, param),
    param,
  );
}

/** The grammar of an expression, made unless one of the same key is kept. */
export function keptGrammar(key: string, expression: () => Expression, param: string): Grammar {
  let grammar = compiled.get(key);
  compiled.delete(key);
  grammar ??= buildGrammar(key, expression(), param);
  compiled.set(key, grammar);
  // Maps are ordered: the first key is the one not used for longest.
  for (const oldest of compiled.keys()) {
    if (compiled.size <= MAX_KEPT_GRAMMARS) break;
    compiled.delete(oldest);
  }
  return grammar;
}

/** The texts of a format. */
export function formatExpression(format: AnswerFormat, param: string): Expression {
  switch (format.type) {
    case "json_object":
      return OBJECT;
    case "json_schema":
      return schemaExpression(format.schema, param);
    case "regex":
      return parseRegex(format.pattern, param);
    case "gbnf":
      return parseGbnf(format.grammar, param);
    default:
      return format satisfies never;
  }
}
