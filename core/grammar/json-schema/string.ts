/** Strings of a schema. */
import {
  type CharGraph,
  complementGraph,
  drawChars,
  intersectGraphs,
  ofLength,
  otherThan,
  spelled,
} from "../char-graph.ts";
import { anyLiteral, type Expression, literal, NEVER, repeat, seq, shared } from "../expression.ts";
import { unsupported } from "../problem.ts";
import { parseRegex } from "../regex.ts";
import { countOf, listOf, textOf } from "./check.ts";
import { FORMATS, NOT_IN, NOT_PATTERN, ONE_OF, type Part } from "./keywords.ts";
import { STRING, STRING_CHAR, stringChar } from "./text.ts";

const quote = literal('"');
const anyChar = shared(STRING_CHAR);

/** Strings by `minLength`, `maxLength`, `pattern` and `format`. Lengths count characters. */
export function stringExpression(parts: readonly Part[]): Expression {
  const patterns = parts.flatMap(patternsOf);
  const { min, max } = lengthsOf(parts);
  if (min > max) return NEVER;
  if (patterns.length === 0) {
    if (min === 0 && max === Infinity) return STRING;
    return seq(quote, repeat(anyChar, min, max), quote);
  }
  const all = stringGraph(parts);
  return all === undefined ? NEVER : seq(quote, spelled(all, stringChar), quote);
}

/** The strings of {@linkcode stringExpression} as a graph; nothing where there are none. */
export function stringGraph(parts: readonly Part[]): CharGraph | undefined {
  const patterns = parts.flatMap(patternsOf);
  const { min, max } = lengthsOf(parts);
  const path = patterns[0]?.path ?? parts[0]?.path ?? "";
  if (min > max) return undefined;
  const graphs = patterns.map(({ graph }) => graph);
  if (min > 0 || max < Infinity || graphs.length === 0) graphs.push(ofLength(min, max, path));
  return graphs.reduce((left, right) => intersectGraphs(left, right, path));
}

function lengthsOf(parts: readonly Part[]): { readonly min: number; readonly max: number } {
  return {
    min: Math.max(...parts.map((part) => countOf(part, "minLength") ?? 0), 0),
    max: Math.min(...parts.map((part) => countOf(part, "maxLength") ?? Infinity), Infinity),
  };
}

/** What `pattern` and `format` of a schema ask for. */
export function patternsOf(part: Part): { readonly graph: CharGraph; readonly path: string }[] {
  const found: { graph: CharGraph; path: string }[] = [];
  const pattern = textOf(part, "pattern");
  if (pattern !== undefined) {
    const path = `${part.path}.pattern`;
    found.push({ graph: patternGraph(pattern, path), path });
  }
  const unmatched = textOf(part, NOT_PATTERN);
  if (unmatched !== undefined) {
    const { path } = part;
    found.push({ graph: complementGraph(patternGraph(unmatched, path), path), path });
  }
  const excluded = listOf(part, NOT_IN)?.filter((one) => typeof one === "string") ?? [];
  if (excluded.length > 0) found.push({ graph: otherThan(excluded), path: part.path });
  const among = listOf(part, ONE_OF)?.filter((one) => typeof one === "string");
  if (among !== undefined) {
    found.push({ graph: drawChars(anyLiteral(among), part.path), path: part.path });
  }
  const format = textOf(part, "format");
  if (format !== undefined) {
    const path = `${part.path}.format`;
    const regex = Object.hasOwn(FORMATS, format) ? FORMATS[format] : undefined;
    if (regex === undefined) {
      const known = Object.keys(FORMATS).join(", ");
      throw unsupported(path, `formats that are enforced are ${known}; remove it`);
    }
    found.push({ graph: patternGraph(regex, path), path });
  }
  return found;
}

/** The texts in which a pattern matches somewhere. */
export function patternGraph(pattern: string, path: string): CharGraph {
  return drawChars(parseRegex(pattern, path, true), path);
}
