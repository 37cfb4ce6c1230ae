import { describe, expect, test } from "vitest";
import { RuntimeError } from "../../../core/errors.ts";
import type { MetadataValue } from "../../../core/gguf/gguf.ts";
import { createTokenizer } from "../../../core/tokenizer/create.ts";

const TOKENS = ["<unk>", "<s>", "</s>", "<0x41>", "▁", "a", "▁a", "<tool>", "<|im_start|>"];

function metadata(
  change: Record<string, MetadataValue | undefined> = {},
): Map<string, MetadataValue> {
  const entries: Record<string, MetadataValue | undefined> = {
    "tokenizer.ggml.model": "llama",
    "tokenizer.ggml.tokens": TOKENS,
    "tokenizer.ggml.scores": [0, 0, 0, 0, -2, -3, -1, 0, 0],
    "tokenizer.ggml.token_type": Int32Array.of(2, 3, 3, 6, 1, 1, 1, 4, 4),
    "tokenizer.ggml.bos_token_id": 1,
    "tokenizer.ggml.eos_token_id": 2,
    "tokenizer.ggml.unknown_token_id": 0,
    ...change,
  };
  const map = new Map<string, MetadataValue>();
  for (const [key, value] of Object.entries(entries)) if (value !== undefined) map.set(key, value);
  return map;
}

function refusal(map: ReadonlyMap<string, MetadataValue>): string {
  try {
    createTokenizer(map);
  } catch (error) {
    if (RuntimeError.is(error)) return error.code;
    throw error;
  }
  return "accepted";
}

describe("createTokenizer", () => {
  test("a sound vocabulary is accepted", () => {
    const tokenizer = createTokenizer(metadata());
    expect(tokenizer.encode("a a")).toEqual([6, 6]);
    expect(tokenizer.encode("A")).toEqual([4, 3]);
    expect(tokenizer.encode("é")).toEqual([4, 0]);
  });

  test("without add_space_prefix no blank is put before a text, nor taken away", () => {
    const tokenizer = createTokenizer(metadata({ "tokenizer.ggml.add_space_prefix": false }));
    expect(tokenizer.encode("a a")).toEqual([5, 6]);
    expect(tokenizer.decoder().push(6)).toBe(" a");
  });

  test("a text begins anew after a user-defined token", () => {
    expect(createTokenizer(metadata()).encode("a<tool>a")).toEqual([6, 7, 6]);
  });

  test("a user-defined token spelled like a marker is a control token", () => {
    const tokenizer = createTokenizer(metadata());
    expect(tokenizer.encode("<|im_start|>")).not.toContain(8);
    expect(tokenizer.controlText(8)).toBe("<|im_start|>");
  });

  test("add_eos_token says that a text to embed is closed by the end", () => {
    expect(createTokenizer(metadata())).not.toHaveProperty("closing");
    expect(createTokenizer(metadata({ "tokenizer.ggml.add_eos_token": true })).closing).toBe(2);
    expect(createTokenizer(metadata({ "tokenizer.ggml.add_eos_token": false }))).not.toHaveProperty(
      "closing",
    );
  });

  test("add_bos_token decides over the kind's own default", () => {
    expect(createTokenizer(metadata()).addBos).toBe(true);
    expect(createTokenizer(metadata({ "tokenizer.ggml.add_bos_token": false })).addBos).toBe(false);
    expect(createTokenizer(metadata({ "tokenizer.ggml.bos_token_id": undefined })).addBos).toBe(
      false,
    );
  });

  test("of two tokens spelled alike the lower one is used", () => {
    const tokens = [...TOKENS.slice(0, 8), "▁a"];
    const tokenizer = createTokenizer(metadata({ "tokenizer.ggml.tokens": tokens }));
    expect(tokenizer.encode("a")).toEqual([6]);
  });

  test("without token types byte, unknown and marker tokens are known by their spelling", () => {
    const tokenizer = createTokenizer(metadata({ "tokenizer.ggml.token_type": undefined }));
    expect(tokenizer.encode("A")).toEqual([4, 3]);
    expect([0, 1, 2].map((token) => tokenizer.controlText(token))).toEqual([
      "<unk>",
      "<s>",
      "</s>",
    ]);
  });

  test.each<[string, Record<string, MetadataValue | undefined>]>([
    ["no tokens", { "tokenizer.ggml.tokens": undefined }],
    ["an empty list", { "tokenizer.ggml.tokens": [] }],
    ["tokens that are numbers", { "tokenizer.ggml.tokens": [1, 2, 3] }],
    ["too few scores", { "tokenizer.ggml.scores": [0, 1] }],
    ["no scores", { "tokenizer.ggml.scores": undefined }],
    ["a score that is NaN", { "tokenizer.ggml.scores": TOKENS.map(() => Number.NaN) }],
    ["too many types", { "tokenizer.ggml.token_type": new Int32Array(10) }],
    ["bos out of range", { "tokenizer.ggml.bos_token_id": 9 }],
    ["a negative eos", { "tokenizer.ggml.eos_token_id": -7 }],
    ["a fractional eot", { "tokenizer.ggml.eot_token_id": 1.5 }],
    [
      "a token of a million characters",
      { "tokenizer.ggml.tokens": TOKENS.map(() => "x".repeat(1e6)) },
    ],
    ["a boolean that is a string", { "tokenizer.ggml.add_bos_token": "yes" }],
    ["byte tokens misspelled", { "tokenizer.ggml.token_type": Int32Array.from(TOKENS, () => 6) }],
    ["no merges", { "tokenizer.ggml.model": "gpt2" }],
    ["a merge of one", { "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.merges": ["ab"] }],
    ["a merge with nothing", { "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.merges": ["a "] }],
    ["pre that is a number", { "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": 3 }],
  ])("%s is MODEL_MALFORMED", (_, change) => {
    expect(refusal(metadata(change))).toBe("MODEL_MALFORMED");
  });

  test.each<[string, Record<string, MetadataValue | undefined>]>([
    ["another kind of vocabulary", { "tokenizer.ggml.model": "t5" }],
    ["no kind", { "tokenizer.ggml.model": undefined }],
    ["an unknown pattern", { "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "(a+)+$" }],
  ])("%s is MODEL_UNSUPPORTED", (_, change) => {
    expect(refusal(metadata(change))).toBe("MODEL_UNSUPPORTED");
  });
});
