import { describe, expect, test } from "vitest";
import { parseGbnf } from "../../../core/grammar/gbnf.ts";
import { matcherOfExpression } from "./matches.ts";

const ARITHMETIC = `# sums
root  ::= expr "=" ws term "\\n"
expr  ::= term ([-+*/] term)*
term  ::= ident | num | "(" ws expr ")" ws
ident ::= [a-z] [a-z0-9_]* ws
num   ::= [0-9]+ ws
ws    ::= [ \\t\\n]*
`;

const LIST = `root ::=
  "[" (item
    | item ("," item)+ # several
  )? "]"
item ::= "\\x41" | "\\u00e9"{2} | [^abc\\]] . {0}
`;

describe("parseGbnf", () => {
  const sums = matcherOfExpression(parseGbnf(ARITHMETIC, "grammar"));
  const list = matcherOfExpression(parseGbnf(LIST, "grammar"));

  test.each([
    ["a=1\n", true],
    ["(a +2) *b1 = c\n", true],
    ["((((1))))=1\n", true],
    ["a=1", false],
    ["(a=1\n", false],
    ["+a=1\n", false],
  ])("derives by rules that call one another: %j", (text, fits) => {
    expect(sums(text)).toBe(fits);
  });

  test.each([
    ["[]", true],
    ["[A]", true],
    ["[A,éé,x]", true],
    ["[é]", true],
    ["[a]", false],
    ["[A,]", false],
    ["A", false],
  ])("reads groups, escapes, repetitions and comments: %j", (text, fits) => {
    expect(list(text)).toBe(fits);
  });

  test("follows brackets to any depth that a grammar may nest", () => {
    const nested = matcherOfExpression(parseGbnf('root ::= "(" root ")" | "x"', "grammar"));
    for (const depth of [0, 1, 50, 150]) {
      expect(nested("(".repeat(depth) + "x" + ")".repeat(depth))).toBe(true);
    }
    expect(nested("(x")).toBe(false);
  });

  test.each([
    ["a", "'::=' is missing"],
    ['x ::= "a"', "the rule 'root' is missing"],
    ["root ::= other", 'the rule "other" is used but not defined'],
    ['root ::= "a" )', "a rule does not end"],
    ['root ::= ("a"', "a group does not end"],
    ['root ::= "a', "a text or class does not end"],
    ["root ::= [b-a]", "a range is the wrong way round"],
    ['root ::= "a"{3,2}', "a repetition's bounds are the wrong way round"],
    ['root ::= "a"\nroot ::= "b"', 'the rule "root" is defined twice'],
    ['root ::= root "a" | "b"', "begins with itself"],
    ['root ::= x root | "b"\nx ::= "y"?', "begins with itself"],
    ['root ::= "a" root', "no text fits it"],
    ["root ::= <[12]>", "tokens in a grammar are not served"],
  ])("refuses %j: %s", (source, why) => {
    expect(() => matcherOfExpression(parseGbnf(source, "grammar"))).toThrow(why);
  });
});
