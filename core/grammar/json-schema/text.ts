/** How JSON is spelled in answers. */
import { type CharSet, charSet, charsOf, complement, intersect, unite } from "../chars.ts";
import {
  call,
  choice,
  type Expression,
  literal,
  oneOf,
  optional,
  repeat,
  type Rule,
  seq,
  shared,
} from "../expression.ts";

/** Characters that a string may hold as they are. */
const RAW = complement(unite(charSet([0, 0x1f]), charsOf('"\\')));

/** Characters with escapes of one letter. */
const SHORT: readonly (readonly [char: string, letter: string])[] = [
  ['"', '"'],
  ["\\", "\\"],
  ["\b", "b"],
  ["\f", "f"],
  ["\n", "n"],
  ["\r", "r"],
  ["\t", "t"],
];

/**
 * White space between tokens: none, a blank, or a new line with its indentation. Without a bound a model that is at
 * a loss would go on with it for ever.
 */
const MAX_INDENT = 20;
const whiteSpace = optional(
  choice(literal(" "), seq(literal("\n"), repeat(oneOf(charsOf(" \t")), 0, MAX_INDENT))),
);
/** What may stand between any two tokens. */
export const GAP: Expression = shared(whiteSpace);

const HEX = unite(charSet([0x30, 0x39], [0x41, 0x46], [0x61, 0x66]));
const hex = oneOf(HEX);
/** Four digits of a character that is no half of a surrogate pair. */
const escapedPoint = choice(
  seq(oneOf(intersect(HEX, complement(charsOf("dD")))), hex, hex, hex),
  seq(oneOf(charsOf("dD")), oneOf(charsOf("01234567")), hex, hex),
);

/** One character of a string, in any of its spellings. */
export const STRING_CHAR: Expression = choice(
  oneOf(RAW),
  seq(literal("\\"), choice(oneOf(charsOf('"\\/bfnrt')), seq(literal("u"), escapedPoint))),
);

/** Any string. */
export const STRING: Expression = shared(seq(literal('"'), repeat(STRING_CHAR, 0), literal('"')));

/** One character of a set, as `JSON.stringify` spells it. */
export function stringChar(set: CharSet): Expression {
  const parts: Expression[] = [];
  const raw = intersect(set, RAW);
  if (raw.length > 0) parts.push(oneOf(raw));
  for (const [from, to] of intersect(set, complement(RAW))) {
    for (let point = from; point <= to; point++) parts.push(literal(escaped(point)));
  }
  return choice(...parts);
}

function escaped(point: number): string {
  const letter = SHORT.find(([char]) => char.codePointAt(0) === point)?.[1];
  return `\\${letter ?? `u${point.toString(16).padStart(4, "0")}`}`;
}

/** Digits before and after the point, each: all of them fit into a float64, so that text and value agree. */
export const MAX_DIGITS = 15;

const digit = oneOf(charSet([0x30, 0x39]));
const whole = choice(
  literal("0"),
  seq(oneOf(charSet([0x31, 0x39])), repeat(digit, 0, MAX_DIGITS - 1)),
);

/** Any whole number. */
export const INTEGER: Expression = shared(seq(optional(literal("-")), whole));

/** Any number; exponents of two digits stay far from infinity. */
export const NUMBER: Expression = shared(
  seq(
    optional(literal("-")),
    whole,
    optional(seq(literal("."), repeat(digit, 1, MAX_DIGITS))),
    optional(seq(oneOf(charsOf("eE")), optional(oneOf(charsOf("+-"))), repeat(digit, 1, 2))),
  ),
);

/** Items between brackets; `item` may be anything. */
export function arrayOf(item: Expression): Expression {
  const more = repeat(seq(GAP, literal(","), GAP, item), 0);
  return seq(literal("["), GAP, optional(seq(item, more, GAP)), literal("]"));
}

/** Members between braces. */
export function objectOf(key: Expression, value: Expression): Expression {
  const member = seq(key, GAP, literal(":"), GAP, value);
  const more = repeat(seq(GAP, literal(","), GAP, member), 0);
  return seq(literal("{"), GAP, optional(seq(member, more, GAP)), literal("}"));
}

const value: Rule = {
  expression: () =>
    choice(
      literal("null"),
      literal("true"),
      literal("false"),
      NUMBER,
      STRING,
      arrayOf(VALUE),
      objectOf(STRING, VALUE),
    ),
};

/** Any JSON. */
export const VALUE: Expression = call(value);

/** Any object. */
export const OBJECT: Expression = shared(objectOf(STRING, VALUE));
