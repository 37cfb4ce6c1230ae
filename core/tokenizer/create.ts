/** A tokenizer out of a model file's metadata. */
import { RuntimeError } from "../errors.ts";
import type { MetadataValue } from "../gguf/gguf.ts";
import { bpeTokenBytes, createBpeEncoder } from "./bpe.ts";
import { createDecoder } from "./decoder.ts";
import { createSpellings } from "./spellings.ts";
import { findPreTokenizer } from "./split.ts";
import { createWordPieceEncoder } from "./wordpiece.ts";
import { BLANK, createSpmEncoder, spmTokenBytes } from "./spm.ts";
import type { Tokenizer } from "./tokenizer.ts";
import type { Metadata, Vocabulary } from "./vocabulary.ts";
import { malformed, optionalBoolean, parseVocabulary, TOKEN_KIND } from "./vocabulary.ts";

/** What differs between the kinds of vocabulary. */
interface Scheme {
  /** Appends the tokens of a stretch without special tokens; `begins`: nothing or a special token before it. */
  encode(text: string, begins: boolean, into: number[]): void;
  bytes(text: string, kind: number): Uint8Array;
  readonly addBos: boolean;
  readonly leadingBlank: boolean;
  /** Where they are not those that files of other kinds name. */
  readonly ends?: { readonly bos: number | undefined; readonly closing: number | undefined };
}

/**
 * The tokenizer that `tokenizer.ggml.*` describes: SentencePiece BPE (`llama`), byte-level BPE (`gpt2`) or
 * WordPiece (`bert`). Throws `MODEL_MALFORMED` for a broken vocabulary, `MODEL_UNSUPPORTED` for one of another kind.
 */
export function createTokenizer(metadata: ReadonlyMap<string, MetadataValue>): Tokenizer {
  const vocabulary = parseVocabulary(metadata);
  const scheme = createScheme(metadata, vocabulary);
  const { texts, kinds, eos } = vocabulary;
  const bos = scheme.ends === undefined ? vocabulary.bos : scheme.ends.bos;
  const addEos = optionalBoolean(metadata, "tokenizer.ggml.add_eos_token", false);
  const closing = scheme.ends === undefined ? (addEos ? eos : undefined) : scheme.ends.closing;
  const addBos = optionalBoolean(metadata, "tokenizer.ggml.add_bos_token", scheme.addBos);

  const kindOf = (token: number): number => {
    const kind = kinds[token];
    if (kind === undefined) {
      throw new RangeError(
        `Cannot decode token ${token}: the vocabulary ends at ${texts.length - 1}`,
      );
    }
    return kind;
  };
  /** An unknown token is no text either: what it stood for is lost. */
  const isControl = (token: number): boolean => {
    const kind = kindOf(token);
    return kind === TOKEN_KIND.control || kind === TOKEN_KIND.unknown;
  };

  const userDefined = createSpellings(
    spelled(vocabulary, (kind) => kind === TOKEN_KIND.userDefined),
  );
  const special = createSpellings(
    spelled(
      vocabulary,
      (kind) =>
        kind === TOKEN_KIND.userDefined ||
        kind === TOKEN_KIND.control ||
        kind === TOKEN_KIND.unknown,
    ),
  );

  const nothing = new Uint8Array(0);
  // Made anew each time: a vocabulary of them would take megabytes.
  const bytes = (token: number): Uint8Array =>
    isControl(token) ? nothing : scheme.bytes(texts[token]!, kindOf(token));

  return {
    vocabSize: texts.length,
    bos,
    eos,
    ...(closing === undefined ? {} : { closing }),
    addBos: addBos && bos !== undefined,
    stops: vocabulary.stops,
    encode(text, options) {
      const tokens: number[] = [];
      let begins = true;
      for (const part of (options?.special === true ? special : userDefined).split(text)) {
        if (typeof part === "number") tokens.push(part);
        else scheme.encode(wellFormed(part), begins, tokens);
        begins = typeof part === "number";
      }
      return tokens;
    },
    bytes,
    controlText: (token) => (isControl(token) ? texts[token] : undefined),
    decoder: (prompt = []) =>
      createDecoder({ bytes, isControl, leadingBlank: scheme.leadingBlank }, prompt),
  };
}

function createScheme(metadata: Metadata, vocabulary: Vocabulary): Scheme {
  const model = metadata.get("tokenizer.ggml.model");
  if (model === "llama") {
    const leadingBlank = optionalBoolean(metadata, "tokenizer.ggml.add_space_prefix", true);
    const encode = createSpmEncoder(metadata, vocabulary);
    return {
      encode: (text, begins, into) =>
        encode((leadingBlank && begins ? ` ${text}` : text).replaceAll(" ", BLANK), into),
      bytes: spmTokenBytes,
      addBos: true,
      leadingBlank,
    };
  }
  if (model === "gpt2") {
    const pre = findPreTokenizer(preTokenizerName(metadata));
    const encode = createBpeEncoder(metadata, vocabulary, pre);
    return {
      encode: (text, _begins, into) => encode(text, into),
      bytes: bpeTokenBytes,
      addBos: pre.addBos,
      leadingBlank: false,
    };
  }
  if (model === "bert") {
    const { encode, ...ends } = createWordPieceEncoder(metadata, vocabulary);
    return {
      encode: (text, _begins, into) => encode(text, into),
      bytes: spmTokenBytes,
      addBos: true,
      leadingBlank: true,
      ends,
    };
  }
  throw new RuntimeError(
    "MODEL_UNSUPPORTED",
    `Cannot use the tokenizer ${JSON.stringify(model)} (tokenizer.ggml.model): known are "llama", "gpt2" and "bert"`,
  );
}

function preTokenizerName(metadata: Metadata): string {
  const name = metadata.get("tokenizer.ggml.pre") ?? "default";
  if (typeof name !== "string") throw malformed("tokenizer.ggml.pre is no string");
  return name;
}

function* spelled(
  { texts, kinds }: Vocabulary,
  wanted: (kind: number) => boolean,
): Generator<readonly [string, number]> {
  for (let token = 0; token < texts.length; token++) {
    if (wanted(kinds[token]!)) yield [texts[token]!, token];
  }
}

/** Half a surrogate pair is no character and has no bytes: it reads as U+FFFD, as everywhere on the web. */
function wellFormed(text: string): string {
  return text.replaceAll(/\p{Surrogate}/gu, "\u{FFFD}");
}
