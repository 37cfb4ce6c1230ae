import { describe, expect, test } from "vitest";
import { RuntimeError } from "../../../core/errors.ts";
import { findPreTokenizer, splitWords } from "../../../core/tokenizer/split.ts";
import { createRandom } from "../../fixtures/random.ts";

function words(name: string, text: string): string[] {
  const found: string[] = [];
  splitWords(text, findPreTokenizer(name), (word) => found.push(word));
  return found;
}

describe("splitWords", () => {
  test.each([
    ["gpt-2", "It's 12345  a\nb", ["It", "'s", " 12345", " ", " a", "\n", "b"]],
    ["smollm", "x 123", ["x", " ", "1", "2", "3"]],
    ["llama-bpe", "IT'S 12345\n\n b", ["IT", "'S", " ", "123", "45", "\n\n", " b"]],
    ["qwen2", "a 12", ["a", " ", "1", "2"]],
    ["tekken", "HelloWORLD ab/\n 12", ["Hello", "WORLD", " ab", "/\n", " ", "1", "2"]],
    ["default", "a=1234", ["a", "=", "123", "4"]],
  ])("%s splits %j", (name, text, expected) => {
    expect(words(name, text)).toEqual(expected);
  });

  test("takes U+0085 as a blank and U+FEFF as none, unlike JavaScript's \\s", () => {
    expect(words("gpt-2", "a\u0085b")).toEqual(["a", "\u0085", "b"]);
    expect(words("gpt-2", "\u{FEFF}!")).toEqual(["\u{FEFF}!"]);
  });

  test.each(["gpt-2", "llama-bpe", "qwen2", "tekken"])(
    "%s splits a long text as if it were looked at in one piece",
    (name) => {
      const random = createRandom(7);
      const pieces = [
        "word",
        "Two",
        "X",
        " ",
        "  ",
        "\n",
        " \n \n",
        "12",
        "'s",
        "…",
        "数",
        "🙂",
        "/",
      ];
      let text = "";
      while (text.length < 200_000) text += pieces[Math.floor(random.next() * pieces.length)];
      const [pattern] = findPreTokenizer(name).stages;
      expect(words(name, text)).toEqual(text.match(pattern!));
    },
  );

  test("keeps a stretch together that a first stage does not match", () => {
    expect(words("smollm", "a".repeat(100_000)).length).toBe(2);
    const text = `${"ab ".repeat(40_000)}1`;
    expect(words("smollm", text)).toHaveLength(40_002);
    expect(words("default", text).join("")).toBe(text);
  });

  test("findPreTokenizer refuses an unknown name and lists the known ones", () => {
    expect(() => findPreTokenizer("(a+)+$")).toThrow(RuntimeError);
    expect(() => findPreTokenizer("(a+)+$")).toThrow(/known are default, gpt-2, .*tekken/u);
  });
});
