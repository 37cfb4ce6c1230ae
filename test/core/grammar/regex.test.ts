import { describe, expect, test } from "vitest";
import { RuntimeError } from "../../../core/errors.ts";
import { parseRegex } from "../../../core/grammar/regex.ts";
import { createRandom } from "../../fixtures/random.ts";
import { matcherOfExpression } from "./matches.ts";

const PATTERNS = [
  "abc",
  "a|bc|",
  "(ab)*c+d?",
  "[a-c]{2,3}x{0}y{1,}",
  "^a.c$",
  "\\d+\\.\\d{2}",
  "[^a-y\\d]\\w\\W\\s\\S",
  "(?:a|(?<name>b)){2}",
  "\\u00e9|\\x41|\\u{1f600}|[\\u0100-\\u{10ffff}]",
  "a*?b+?c??",
  "[\\]\\-x]-[a-]",
  "(a|ab)(c|bcd)(d*)",
  "\\/\\.\\(\\)\\[\\]\\{\\}\\*\\+\\?\\^\\$\\|\\\\",
  "[ -~]{3}",
  "(a?){5}a{5}",
];
const ALPHABET = Array.from("abcdxyzA0159.- _/()[]{}*+?^$|\\\n\téā😀\u{10ffff}");

/** Texts that a pattern may or may not match: its own pieces, and chance. */
function* texts(pattern: string, seed: number): Generator<string> {
  const random = createRandom(seed);
  for (let i = 0; i < 400; i++) {
    let text = "";
    const length = Math.floor(random.next() * 9);
    for (let at = 0; at < length; at++) {
      const from = random.next() < 0.5 ? ALPHABET : Array.from(pattern);
      text += from[Math.floor(random.next() * from.length)]!;
    }
    yield text;
  }
}

describe("parseRegex", () => {
  test.each(PATTERNS)("matches what the runtime's own engine matches: %s", (pattern) => {
    const whole = matcherOfExpression(parseRegex(pattern, "p"));
    const within = matcherOfExpression(parseRegex(pattern, "p", true));
    const anchored = new RegExp(`^(?:${pattern})$`, "u");
    const searched = new RegExp(pattern, "u");
    for (const text of texts(pattern, 3)) {
      expect(whole(text), text).toBe(anchored.test(text));
      expect(within(text), text).toBe(searched.test(text));
    }
  });

  test.each([
    "a(?=b)",
    "(?<!a)b",
    "(a)\\1",
    "\\bword",
    "\\p{L}",
    "a^b",
    "(^a)",
    "a$b",
    "(?i:a)",
    "\\k<n>",
  ])("refuses by name what it cannot enforce: %s", (pattern) => {
    expect(() => parseRegex(pattern, "p")).toThrow(
      expect.objectContaining({ code: "UNSUPPORTED_PARAMETER", param: "p" }),
    );
  });

  test.each([
    "(a",
    "a)",
    "[a",
    "a{2,1}",
    "*",
    "a**",
    "\\",
    "\\u12",
    "{",
    "[z-a]",
    "\\y",
    "a{1",
    "+",
    "(?:",
    "]",
  ])("refuses what is broken: %s", (pattern) => {
    expect(() => parseRegex(pattern, "p")).toThrow(RuntimeError);
  });
});
