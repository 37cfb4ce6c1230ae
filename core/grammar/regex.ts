/**
 * Regular expressions, the part of ECMA-262's with the `u` flag that describes a set of texts: characters, escapes,
 * classes, groups, alternatives, quantifiers, and `^` and `$` at the ends. Assertions, back references, flags and
 * properties of characters are refused. They are never run: a text is followed through a graph, in linear time.
 */
import { ANY_CHAR, type CharSet, charSet, complement, unite } from "./chars.ts";
import { choice, EMPTY, type Expression, oneOf, repeat, seq } from "./expression.ts";
import { MAX_GROUP_DEPTH, MAX_REGEX_CHARS } from "./limits.ts";
import { malformed, shown, unsupported } from "./problem.ts";

/** Line ends, which `.` does not match. */
const LINE_ENDS = charSet([0x0a, 0x0a], [0x0d, 0x0d], [0x2028, 0x2029]);
const DIGITS = charSet([0x30, 0x39]);
const WORD = charSet([0x30, 0x39], [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]);
/** ECMA-262's WhiteSpace and LineTerminator. */
const SPACE = charSet(
  [0x09, 0x0d],
  [0x20, 0x20],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
);
const CLASS_ESCAPES: Readonly<Record<string, CharSet>> = {
  d: DIGITS,
  D: complement(DIGITS),
  w: WORD,
  W: complement(WORD),
  s: SPACE,
  S: complement(SPACE),
};
const CONTROL_ESCAPES: Readonly<Record<string, number>> = {
  t: 0x09,
  n: 0x0a,
  v: 0x0b,
  f: 0x0c,
  r: 0x0d,
  0: 0x00,
};
/** Escapes that say something else than which character follows. */
const FOREIGN_ESCAPES: Readonly<Record<string, string>> = {
  0: "octal escapes",
  b: "word boundaries",
  B: "word boundaries",
  k: "back references",
  p: "properties of characters",
  P: "properties of characters",
};
const ANYTHING = repeat(oneOf(ANY_CHAR), 0);

/**
 * The texts that a regular expression matches as a whole or, where `search`, that it matches somewhere in. Throws
 * `UNSUPPORTED_PARAMETER` and `INVALID_REQUEST` naming `param`.
 */
export function parseRegex(pattern: string, param: string, search = false): Expression {
  if (pattern.length > MAX_REGEX_CHARS) {
    throw malformed(param, `a regular expression has at most ${MAX_REGEX_CHARS} characters`);
  }
  const points = Array.from(pattern);
  let at = 0;

  const peek = (ahead = 0): string | undefined => points[at + ahead];
  const wrong = (why: string): never => {
    throw malformed(param, `${why} at character ${at} of ${shown(pattern)}`);
  };
  const cannot = (what: string): never => {
    throw unsupported(
      param,
      `${what} in regular expressions cannot be enforced: ${shown(pattern)}`,
    );
  };
  const take = (char: string): boolean => {
    if (points[at] !== char) return false;
    at++;
    return true;
  };

  function alternatives(depth: number): Expression {
    if (depth > MAX_GROUP_DEPTH) wrong(`groups nest deeper than ${MAX_GROUP_DEPTH}`);
    const branches = [branch(depth)];
    while (take("|")) branches.push(branch(depth));
    return choice(...branches);
  }

  /** Anchors are understood at the ends of the outermost alternatives only. */
  function branch(depth: number): Expression {
    const begins = depth === 0 && take("^");
    const terms: Expression[] = [];
    let ends = false;
    for (let char = peek(); char !== undefined && char !== "|" && char !== ")"; char = peek()) {
      if (char === "$" && depth === 0 && (peek(1) === undefined || peek(1) === "|")) {
        at++;
        ends = true;
        break;
      }
      if (char === "^" || char === "$") cannot(`'${char}' elsewhere than at the ends`);
      terms.push(quantified(atom(depth)));
    }
    const text = seq(...terms);
    if (!search || depth > 0) return text;
    return seq(begins ? EMPTY : ANYTHING, text, ends ? EMPTY : ANYTHING);
  }

  function atom(depth: number): Expression {
    const char = points[at++]!;
    switch (char) {
      case "(":
        return group(depth);
      case "[":
        return oneOf(characterClass());
      case ".":
        return oneOf(complement(LINE_ENDS));
      case "\\":
        return oneOf(escape(false));
      case "*":
      case "+":
      case "?":
      case "{":
        at--;
        return wrong("there is nothing to repeat");
      case "}":
      case "]":
        at--;
        return wrong(`a lone '${char}'`);
      default:
        return oneOf(single(char.codePointAt(0)!));
    }
  }

  function group(depth: number): Expression {
    if (take("?")) {
      if (take("<")) {
        if (peek() === "=" || peek() === "!") return cannot("lookbehind");
        while (peek() !== undefined && peek() !== ">") at++;
        if (!take(">")) return wrong("a group's name does not end");
      } else if (peek() === "=" || peek() === "!") {
        return cannot("lookahead");
      } else if (!take(":")) {
        return cannot("flags");
      }
    }
    const inner = alternatives(depth + 1);
    return take(")") ? inner : wrong("a group does not end");
  }

  function quantified(term: Expression): Expression {
    let bounds: readonly [number, number] | undefined;
    if (take("*")) bounds = [0, Infinity];
    else if (take("+")) bounds = [1, Infinity];
    else if (take("?")) bounds = [0, 1];
    else if (peek() === "{") bounds = braces();
    if (bounds === undefined) return term;
    // Which match is preferred makes no difference to what matches.
    take("?");
    if (peek() === "*" || peek() === "+" || peek() === "?" || peek() === "{") {
      wrong("a quantifier follows a quantifier");
    }
    return repeat(term, ...bounds);
  }

  function braces(): readonly [number, number] {
    const rest = points.slice(at, at + 40).join("");
    const found = /^\{(\d{1,9})(?:(,)(\d{1,9})?)?\}/.exec(rest);
    if (found === null) return wrong("a quantifier in braces is broken");
    at += found[0].length;
    const min = Number(found[1]);
    const max = found[2] === undefined ? min : found[3] === undefined ? Infinity : Number(found[3]);
    return min > max ? wrong("a quantifier's bounds are the wrong way round") : [min, max];
  }

  function characterClass(): CharSet {
    const negated = take("^");
    const sets: CharSet[] = [];
    for (;;) {
      const char = points[at++];
      if (char === undefined) return wrong("a class does not end");
      if (char === "]") break;
      const from = char === "\\" ? escape(true) : single(char.codePointAt(0)!);
      if (peek() !== "-" || peek(1) === "]" || peek(1) === undefined) {
        sets.push(from);
        continue;
      }
      at++;
      const last = points[at++]!;
      const to = last === "\\" ? escape(true) : single(last.codePointAt(0)!);
      const [low, high] = [pointOf(from), pointOf(to)];
      if (low === undefined || high === undefined || low > high) return wrong("a range is broken");
      sets.push(charSet([low, high]));
    }
    const set = unite(...sets);
    return negated ? complement(set) : set;
  }

  function escape(inClass: boolean): CharSet {
    const char = points[at++];
    if (char === undefined) return wrong("an escape does not end");
    const set = CLASS_ESCAPES[char];
    if (set !== undefined) return set;
    if (char === "b" && inClass) return single(0x08);
    const foreign = char === "0" && !/^\d$/.test(peek() ?? "") ? undefined : FOREIGN_ESCAPES[char];
    if (foreign !== undefined) return cannot(foreign);
    const control = CONTROL_ESCAPES[char];
    if (control !== undefined) return single(control);
    if (/^[1-9]$/.test(char)) return cannot("back references");
    if (char === "c") {
      const letter = points[at++] ?? "";
      return /^[A-Za-z]$/.test(letter)
        ? single(letter.charCodeAt(0) % 32)
        : wrong("a broken escape");
    }
    if (char === "x") return single(hex(2));
    if (char === "u") return single(unicode());
    if (/^[A-Za-z0-9]$/.test(char)) return wrong(`an unknown escape '\\${char}'`);
    return single(char.codePointAt(0)!);
  }

  function unicode(): number {
    if (take("{")) {
      const rest = points.slice(at, at + 8).join("");
      const found = /^([0-9A-Fa-f]{1,6})\}/.exec(rest);
      if (found === null) return wrong("a broken escape");
      at += found[0].length;
      const point = parseInt(found[1]!, 16);
      return point > 0x10_ffff ? wrong("a broken escape") : point;
    }
    const high = hex(4);
    if (high < 0xd800 || high > 0xdbff || peek() !== "\\" || peek(1) !== "u") return high;
    at += 2;
    const low = hex(4);
    if (low < 0xdc00 || low > 0xdfff) return wrong("a broken pair of surrogates");
    return 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
  }

  function hex(digits: number): number {
    const text = points.slice(at, at + digits).join("");
    if (text.length !== digits || !/^[0-9A-Fa-f]+$/.test(text)) return wrong("a broken escape");
    at += digits;
    return parseInt(text, 16);
  }

  const expression = alternatives(0);
  if (at < points.length) wrong("a group ends that has not begun");
  return expression;
}

function single(point: number): CharSet {
  return charSet([point, point]);
}

/** The only character of a set. */
function pointOf(set: CharSet): number | undefined {
  const [range] = set;
  return set.length === 1 && range![0] === range![1] ? range![0] : undefined;
}
