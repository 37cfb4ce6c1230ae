/** Chat templates in the dialect of Hugging Face transformers: parsed once, rendered many times. */
import type { Token } from "@huggingface/jinja";
import { parse, tokenize } from "@huggingface/jinja";
import { RuntimeError } from "../errors.ts";
import { checkItems, createBudget, MAX_DEPTH, templateFailed } from "./budget.ts";
import type { ParsedTemplate } from "./interpreter.ts";
import { runTemplate } from "./interpreter.ts";
import { formatTime } from "./strftime.ts";
import type { Node } from "./syntax.ts";
import { nodesOf } from "./syntax.ts";

/** Twice the longest template in use. */
const MAX_SOURCE_CHARS = 65_536;

/** Words and signs of a template: three times what the longest one in use has. */
const MAX_TOKENS = 16_384;

/**
 * The engine looks for `{% generation %}` with a pattern that takes quadratic time in a run of blanks:
 * the sum of the runs' squares stays within what takes about 20 ms. Real templates stay below 5 %.
 */
const MAX_BLANK_WORK: number = 2 ** 24;

/** A parsed template. */
export interface JinjaTemplate {
  /** Every text that the template itself contains. */
  readonly literals: readonly string[];
  /** The prompt; throws `TEMPLATE_FAILED`. `now` is what `strftime_now` prints, in UTC. */
  render(variables: Readonly<Record<string, unknown>>, now: Date): string;
}

/** Parses a template; throws `TEMPLATE_FAILED` for one that cannot be parsed or is not to be trusted. */
export function parseJinja(source: string): JinjaTemplate {
  const parsed = guarded(() => parseSource(source));
  const literals: string[] = [];
  for (const node of nodesOf(parsed.program)) {
    if (node.type === "StringLiteral" && "value" in node) literals.push(String(node.value));
  }
  return {
    literals,
    render: (variables, now) =>
      guarded(() => runTemplate(parsed, { ...builtins(now), ...variables }, createBudget())),
  };
}

/** Whatever the engine throws becomes our one kind of error, a stack that ran out too. */
function guarded<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (RuntimeError.is(error)) throw error;
    const reason = error instanceof Error ? error.message : "unknown error";
    throw templateFailed(`${reason} (load the model with another template)`, error);
  }
}

function parseSource(source: string): ParsedTemplate {
  if (source.length > MAX_SOURCE_CHARS) {
    throw templateFailed(`its ${source.length} characters exceed ${MAX_SOURCE_CHARS}`);
  }
  if (blankWork(source) > MAX_BLANK_WORK) throw templateFailed("it holds long runs of blanks");
  const tokens = tokenize(source, { trim_blocks: true, lstrip_blocks: true });
  if (tokens.length > MAX_TOKENS) {
    throw templateFailed(`its ${tokens.length} words and signs exceed ${MAX_TOKENS}`);
  }
  checkNesting(tokens);
  const program = parse(tokens);
  const printed = new Set<Node>();
  for (const node of nodesOf(program)) {
    for (const part of ["body", "alternate", "defaultBlock"] as const) {
      for (const child of (node as Blocks)[part] ?? []) printed.add(child);
    }
  }
  return { program, printed };
}

/** Where nodes hold others whose values they write out. */
interface Blocks extends Node {
  readonly body?: readonly Node[];
  readonly alternate?: readonly Node[];
  readonly defaultBlock?: readonly Node[];
}

function blankWork(source: string): number {
  let work = 0;
  for (const [run] of source.matchAll(/\s+/gu)) work += run.length ** 2;
  return work;
}

const BLOCKS: ReadonlyMap<string, number> = new Map(
  ["if", "for", "macro", "call", "filter"].flatMap((name): [string, number][] => [
    [name, 1],
    [`end${name}`, -1],
  ]),
);
const BRACKETS: ReadonlyMap<string, number> = new Map(
  ["Paren", "SquareBracket", "CurlyBracket"].flatMap((name): [string, number][] => [
    [`Open${name}`, 1],
    [`Close${name}`, -1],
  ]),
);

/** The parser recurses: brackets, blocks and signs may not nest deeper than a reader could follow. */
function checkNesting(tokens: readonly Token[]): void {
  let brackets = 0;
  let blocks = 0;
  let signs = 0;
  tokens.forEach((token, i) => {
    const sign =
      token.type === "UnaryOperator" || (token.type === "Identifier" && token.value === "not");
    signs = sign ? signs + 1 : 0;
    brackets += BRACKETS.get(token.type) ?? 0;
    if (tokens[i - 1]?.type === "OpenStatement") blocks += BLOCKS.get(token.value) ?? 0;
    if (Math.max(brackets, blocks, signs) > MAX_DEPTH) {
      throw templateFailed(`it nests deeper than ${MAX_DEPTH}`);
    }
  });
}

/** What transformers gives every template. */
function builtins(now: Date): Record<string, unknown> {
  return {
    true: true,
    false: false,
    none: null,
    True: true,
    False: false,
    None: null,
    raise_exception: refuse,
    range,
    strftime_now: (format: unknown) => {
      // Anything else may be a list that takes forever to write out.
      if (typeof format !== "string") throw templateFailed("it gives strftime_now no format");
      return formatTime(now, format);
    },
  };
}

function refuse(message: unknown): never {
  throw templateFailed(
    `it refuses these messages: ${typeof message === "string" ? message : "it does not say why"}`,
  );
}

/** Python's `range`, up to as many items as a list may have. */
function range(first: unknown, last?: unknown, step: unknown = 1): number[] {
  const [start, stop] = last === undefined ? [0, first] : [first, last];
  if (typeof start !== "number" || typeof stop !== "number" || typeof step !== "number") {
    throw templateFailed("it calls range with something that is no number");
  }
  if (step === 0) throw templateFailed("it calls range with a step of 0");
  const count = Math.max(0, Math.ceil((stop - start) / step));
  checkItems(count);
  return Array.from({ length: count }, (_, i) => start + i * step);
}
