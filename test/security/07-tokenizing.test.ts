import { describe, expect, test } from "vitest";
import type { MetadataValue } from "../../core/gguf/gguf.ts";
import { toByteText } from "../../core/tokenizer/byte-text.ts";
import { createTokenizer } from "../../core/tokenizer/create.ts";
import { findPreTokenizer, splitWords } from "../../core/tokenizer/split.ts";
import { growth } from "../fixtures/growth.ts";

const BYTES = Array.from({ length: 256 }, (_, byte) => toByteText(Uint8Array.of(byte)));

/** A vocabulary of bytes, with pairs of `a` that merge for ever. */
function vocabulary(pre: string): Map<string, MetadataValue> {
  const pairs = Array.from({ length: 6 }, (_, i) => "a".repeat(2 ** (i + 1)));
  return new Map<string, MetadataValue>([
    ["tokenizer.ggml.model", "gpt2"],
    ["tokenizer.ggml.pre", pre],
    ["tokenizer.ggml.tokens", [...BYTES, ...pairs]],
    [
      "tokenizer.ggml.merges",
      pairs.map((text) => `${text.slice(text.length / 2)} ${text.slice(text.length / 2)}`),
    ],
  ]);
}

describe("07 no pattern of a model file is ever run", () => {
  test.each(["(a+)+$", "^(([a-z])+.)+[A-Z]([a-z])+$", ".*", "__proto__", "constructor", ""])(
    "%j is refused by name",
    (pre) => {
      expect(() => createTokenizer(vocabulary(pre))).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^MODEL_/) as string }),
      );
    },
  );

  test.each(["gpt-2", "tekken"])(
    "%s splits blanks in time proportional to their number",
    (name) => {
      const words = findPreTokenizer(name);
      // Short texts are looked at in one piece, which is faster; 16 times would be quadratic.
      expect(growth((text) => splitWords(text, words, () => {}), 9, " ")).toBeLessThanOrEqual(9);
    },
  );
});

describe("08 merging takes time in proportion to the text (more: test/core/tokenizer)", () => {
  test("a million times the letter that merges with itself", () => {
    const tokenizer = createTokenizer(vocabulary("gpt-2"));
    expect(tokenizer.encode("a".repeat(1000)).length).toBe(Math.floor(1000 / 64) + 2);
    expect(growth((text) => tokenizer.encode(text), 5)).toBeLessThanOrEqual(5);
  });
});
