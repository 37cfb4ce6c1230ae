/** Strings of a schema. */
import { type CharGraph, drawChars, intersectGraphs, ofLength, spelled } from "../char-graph.ts";
import { type Expression, literal, NEVER, repeat, seq, shared } from "../expression.ts";
import { unsupported } from "../problem.ts";
import { parseRegex } from "../regex.ts";
import { countOf, textOf } from "./check.ts";
import { FORMATS, type Part } from "./keywords.ts";
import { STRING, STRING_CHAR, stringChar } from "./text.ts";

const quote = literal('"');
const anyChar = shared(STRING_CHAR);

/** Strings by `minLength`, `maxLength`, `pattern` and `format`. Lengths count characters. */
export function stringExpression(parts: readonly Part[]): Expression {
  const min = Math.max(...parts.map((part) => countOf(part, "minLength") ?? 0), 0);
  const max = Math.min(...parts.map((part) => countOf(part, "maxLength") ?? Infinity), Infinity);
  const patterns = parts.flatMap(patternsOf);
  if (min > max) return NEVER;
  if (patterns.length === 0) {
    if (min === 0 && max === Infinity) return STRING;
    return seq(quote, repeat(anyChar, min, max), quote);
  }
  const { path } = patterns[0]!;
  const graphs = patterns.map(({ graph }) => graph);
  if (min > 0 || max < Infinity) graphs.push(ofLength(min, max, path));
  const all = graphs.reduce((left, right) => intersectGraphs(left, right, path));
  return seq(quote, spelled(all, stringChar), quote);
}

/** What `pattern` and `format` of a schema ask for. */
export function patternsOf(part: Part): { readonly graph: CharGraph; readonly path: string }[] {
  const found: { graph: CharGraph; path: string }[] = [];
  const pattern = textOf(part, "pattern");
  if (pattern !== undefined) {
    const path = `${part.path}.pattern`;
    found.push({ graph: drawChars(parseRegex(pattern, path, true), path), path });
  }
  const format = textOf(part, "format");
  if (format !== undefined) {
    const path = `${part.path}.format`;
    const regex = Object.hasOwn(FORMATS, format) ? FORMATS[format] : undefined;
    if (regex === undefined) {
      const known = Object.keys(FORMATS).join(", ");
      throw unsupported(path, `formats that are enforced are ${known}; remove it`);
    }
    found.push({ graph: drawChars(parseRegex(regex, path, true), path), path });
  }
  return found;
}
