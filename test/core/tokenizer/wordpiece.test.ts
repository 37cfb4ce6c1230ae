import { describe, expect, test } from "vitest";
import type { MetadataValue } from "../../../core/gguf/gguf.ts";
import { createTokenizer } from "../../../core/tokenizer/create.ts";
import type { Tokenizer } from "../../../core/tokenizer/tokenizer.ts";

/** Tokens as BERT lists them. */
const WORDS = [
  ..."[PAD] [UNK] [CLS] [SEP] [MASK] the un ##aff ##able ##ab ##le cafe , . ' ! $ ##s dog".split(
    " ",
  ),
  ..."中 文 a ##b ##bc ##c naive σ ##σ i ℝ".split(" "),
];

function isMarker(word: string): boolean {
  return /^\[[A-Z]+\]$/.test(word);
}

/** The same as llama.cpp's converter writes them. */
function bert(words: readonly string[], more: Record<string, MetadataValue> = {}): Tokenizer {
  const tokens = words.map((word) =>
    isMarker(word) ? word : word.startsWith("##") ? word.slice(2) : `\u2581${word}`,
  );
  return createTokenizer(
    new Map<string, MetadataValue>([
      ["tokenizer.ggml.model", "bert"],
      ["tokenizer.ggml.pre", "minilm"],
      ["tokenizer.ggml.tokens", tokens],
      ["tokenizer.ggml.token_type", words.map((word) => (isMarker(word) ? 3 : 1))],
      ["tokenizer.ggml.unknown_token_id", 1],
      ["tokenizer.ggml.cls_token_id", 2],
      ["tokenizer.ggml.seperator_token_id", 3],
      ...Object.entries(more),
    ]),
  );
}

const tokenizer = bert(WORDS);
const words = (text: string): string =>
  tokenizer
    .encode(text)
    .map((id) => WORDS[id])
    .join(" ");

describe("a bert vocabulary", () => {
  test.each([
    ["unaffable", "un ##aff ##able"],
    ["The dogs, the dog.", "the dog ##s , the dog ."],
    ["  the\tdog\n\u00a0the\u3000dog ", "the dog the dog"],
    ["Café NAÏVE", "cafe naive"],
    ["the中文dog", "the 中 文 dog"],
    ["$the!'", "$ the ! '"],
    ["abc", "a ##bc"],
    ["the quux dog", "the [UNK] dog"],
    ["unaffablex", "[UNK]"],
    ["d\u0000o\u200bg\ufffd", "dog"],
    ["ΣΣ", "σ ##σ"],
    ["İ", "i"],
    ["", ""],
    ["[CLS] the", "[UNK] [UNK] [UNK] the"],
  ])("cuts %j into %s", (text, expected) => {
    expect(words(text)).toBe(expected);
  });

  test("makes of a word of over 100 characters one unknown token", () => {
    expect(words(`a${"b".repeat(99)}`)).toBe(`a ${"##b ".repeat(99).trim()}`);
    expect(words(`a${"b".repeat(100)} dog`)).toBe("[UNK] dog");
  });

  test("stands between [CLS] and [SEP], by their keys or by how they are spelled", () => {
    expect(tokenizer).toMatchObject({ bos: 2, addBos: true, closing: 3 });
    const spelled = bert(WORDS, { "tokenizer.ggml.cls_token_id": "x" });
    expect(spelled).toMatchObject({ bos: 2, closing: 3 });
  });

  test("lets a text's [SEP] become the token only where that is asked for", () => {
    expect(tokenizer.encode("[SEP]")).not.toContain(3);
    expect(tokenizer.encode("the [SEP]", { special: true })).toEqual([WORDS.indexOf("the"), 3]);
  });

  test("keeps capitals and accents where its tokens have capitals", () => {
    const cased = bert([...WORDS, "The", "café"]);
    const { length } = WORDS;
    expect(cased.encode("The the café cafe")).toEqual([
      length,
      WORDS.indexOf("the"),
      length + 1,
      WORDS.indexOf("cafe"),
    ]);
  });

  test("is told back with blanks between words", () => {
    const decoder = tokenizer.decoder();
    const text = tokenizer.encode("unaffable dogs").map((token) => decoder.push(token));
    expect(text.join("") + decoder.end()).toBe("unaffable dogs");
  });

  test("a word costs no more than a hundred tries of each token's length", () => {
    const begun = performance.now();
    tokenizer.encode("b".repeat(100).concat(" ").repeat(10_000));
    expect(performance.now() - begun).toBeLessThan(20_000);
  });
});
