/**
 * Grammars in llama.cpp's notation (GBNF): `root ::= "a" [0-9]+ (other | "x")?`. Repetitions in braces and `.` are
 * understood, tokens (`<[12]>`) are refused.
 */
import { ANY_CHAR, type CharSet, charSet, complement } from "./chars.ts";
import {
  call,
  choice,
  type Expression,
  literal,
  NEVER,
  oneOf,
  repeat,
  type Rule,
  seq,
} from "./expression.ts";
import { MAX_GROUP_DEPTH, MAX_SOURCE_CHARS } from "./limits.ts";
import { malformed, shown, unsupported } from "./problem.ts";

const ESCAPES: Readonly<Record<string, number>> = { n: 0x0a, r: 0x0d, t: 0x09 };
/** Hexadecimal digits of escapes. */
const HEX_DIGITS: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };

/** The texts that the rule `root` derives. Throws `UNSUPPORTED_PARAMETER` and `INVALID_REQUEST` naming `param`. */
export function parseGbnf(source: string, param: string): Expression {
  if (source.length > MAX_SOURCE_CHARS) {
    throw malformed(param, `a grammar has at most ${MAX_SOURCE_CHARS} characters`);
  }
  const rules = new Map<string, Rule & { body: Expression | undefined }>();
  let at = 0;

  const wrong = (why: string): never => {
    const line = source.slice(0, at).split("\n").length;
    throw malformed(param, `${why} in line ${line}, before ${shown(source.slice(at, at + 20))}`);
  };
  const take = (expected: string): boolean => {
    if (!source.startsWith(expected, at)) return false;
    at += expected.length;
    return true;
  };

  /** Blanks and comments; line ends only where a rule cannot end there. */
  function skip(lines: boolean): void {
    for (;;) {
      const char = source[at];
      if (char === "#") {
        while (at < source.length && source[at] !== "\n" && source[at] !== "\r") at++;
      } else if (char === " " || char === "\t" || (lines && (char === "\n" || char === "\r"))) {
        at++;
      } else {
        return;
      }
    }
  }

  function name(): string | undefined {
    const pattern = /[A-Za-z0-9_-]+/y;
    pattern.lastIndex = at;
    const found = pattern.exec(source)?.[0];
    at += found?.length ?? 0;
    return found;
  }

  function ruleOf(named: string): Rule & { body: Expression | undefined } {
    let rule = rules.get(named);
    if (rule === undefined) {
      rule = {
        body: undefined,
        expression() {
          if (this.body !== undefined) return this.body;
          throw malformed(param, `the rule ${shown(named)} is used but not defined`);
        },
      };
      rules.set(named, rule);
    }
    return rule;
  }

  function alternatives(depth: number): Expression {
    if (depth > MAX_GROUP_DEPTH) wrong(`groups nest deeper than ${MAX_GROUP_DEPTH}`);
    const branches: Expression[] = [];
    do {
      skip(true);
      branches.push(sequence(depth));
    } while (take("|"));
    return choice(...branches);
  }

  function sequence(depth: number): Expression {
    const terms: Expression[] = [];
    for (;;) {
      skip(depth > 0);
      const term = element(depth);
      if (term === undefined) return seq(...terms);
      terms.push(quantified(term, depth > 0));
    }
  }

  function element(depth: number): Expression | undefined {
    const char = source[at];
    if (char === '"') return quoted();
    if (char === "[") return oneOf(characterClass());
    if (take(".")) return oneOf(ANY_CHAR);
    if (take("(")) {
      const inner = alternatives(depth + 1);
      skip(true);
      return take(")") ? inner : wrong("a group does not end");
    }
    if (char === "<" || char === "!")
      throw unsupported(param, "tokens in a grammar are not served");
    const named = name();
    return named === undefined ? undefined : call(ruleOf(named));
  }

  function quantified(term: Expression, lines: boolean): Expression {
    let result = term;
    for (;;) {
      skip(lines);
      if (take("*")) result = repeat(result, 0);
      else if (take("+")) result = repeat(result, 1);
      else if (take("?")) result = repeat(result, 0, 1);
      else if (source[at] === "{") result = repeat(result, ...braces());
      else return result;
    }
  }

  function braces(): readonly [number, number] {
    const found = /^\{\s*(\d{0,9})\s*(?:(,)\s*(\d{0,9})\s*)?\}/.exec(source.slice(at, at + 60));
    const [all, low = "", comma, high = ""] = found ?? [];
    if (all === undefined || (low === "" && high === "")) return wrong("a repetition is broken");
    at += all.length;
    const min = low === "" ? 0 : Number(low);
    const max = comma === undefined ? min : high === "" ? Infinity : Number(high);
    return min > max ? wrong("a repetition's bounds are the wrong way round") : [min, max];
  }

  function quoted(): Expression {
    at++;
    let content = "";
    while (!take('"')) content += String.fromCodePoint(point());
    return literal(content);
  }

  function characterClass(): CharSet {
    at++;
    const negated = take("^");
    const ranges: [number, number][] = [];
    while (!take("]")) {
      const from = point();
      if (source[at] === "-" && source[at + 1] !== "]") {
        at++;
        const to = point();
        if (from > to) wrong("a range is the wrong way round");
        ranges.push([from, to]);
      } else {
        ranges.push([from, from]);
      }
    }
    const set = charSet(...ranges);
    return negated ? complement(set) : set;
  }

  /** A character of a text or a class, escaped or not. */
  function point(): number {
    const code = source.codePointAt(at);
    if (code === undefined) return wrong("a text or class does not end");
    at += code > 0xffff ? 2 : 1;
    if (code !== 0x5c) return code;
    const escape = source[at++] ?? "";
    const digits = HEX_DIGITS[escape];
    if (digits !== undefined) {
      const hex = source.slice(at, at + digits);
      const value = /^[0-9A-Fa-f]+$/.test(hex) && hex.length === digits ? parseInt(hex, 16) : -1;
      if (value < 0 || value > 0x10_ffff) return wrong("a broken escape");
      at += digits;
      return value;
    }
    return ESCAPES[escape] ?? escape.codePointAt(0) ?? wrong("an escape does not end");
  }

  for (skip(true); at < source.length; skip(true)) {
    const named = name();
    if (named === undefined) wrong("a rule's name is missing");
    skip(false);
    if (!take("::=")) wrong("'::=' is missing");
    const rule = ruleOf(named!);
    if (rule.body !== undefined) wrong(`the rule ${shown(named!)} is defined twice`);
    // Until its end is known, so that a second definition is noticed even within.
    rule.body = NEVER;
    rule.body = alternatives(0);
    skip(false);
    if (at < source.length && source[at] !== "\n" && source[at] !== "\r")
      wrong("a rule does not end");
  }
  if (rules.get("root")?.body === undefined) throw malformed(param, "the rule 'root' is missing");
  return call(ruleOf("root"));
}
