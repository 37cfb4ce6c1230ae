/** The tokens of a model file, checked. Everything here is hostile until this module has passed it. */
import { RuntimeError } from "../errors.ts";
import type { MetadataValue } from "../gguf/gguf.ts";
import { MAX_RANKS } from "./merge.ts";

/** What a token is for (`tokenizer.ggml.token_type`, the numbers are the file format's). */
export const TOKEN_KIND = {
  normal: 1,
  unknown: 2,
  control: 3,
  userDefined: 4,
  unused: 5,
  byte: 6,
} as const;

/** A checked vocabulary. */
export interface Vocabulary {
  readonly texts: readonly string[];
  /** Values of {@linkcode TOKEN_KIND}, one a token. */
  readonly kinds: Uint8Array;
  /**
   * Tokens that plain text may become, by spelling; the lowest id where two are spelled alike. Without
   * control, unknown and byte tokens, whose spelling in a text is only text.
   */
  readonly plain: ReadonlyMap<string, number>;
  readonly bos: number | undefined;
  readonly eos: number | undefined;
  readonly unknown: number | undefined;
  readonly stops: ReadonlySet<number>;
}

/** Metadata of a model file. */
export type Metadata = ReadonlyMap<string, MetadataValue>;

/** Real tokens end at about a thousand characters (runs of blanks); a cap keeps lookups short. */
const MAX_TOKEN_CHARS = 4096;

/** Tokens by which models end a turn, also where the file forgets to say so (as llama.cpp knows them). */
const TURN_ENDS: ReadonlySet<string> = new Set([
  "<|eot_id|>",
  "<|eom_id|>",
  "<|im_end|>",
  "<|end|>",
  "<|return|>",
  "<|call|>",
  "<|endoftext|>",
  "<|end_of_text|>",
  "<end_of_turn>",
  "<end_of_utterance>",
  "<EOT>",
  "_<EOT>",
  "<｜end▁of▁sentence｜>",
]);

/** Spelled like this, a token is a marker; files that call it user-defined would let a text forge turns. */
const MARKER = /^<[|｜][^]*[|｜]>$/u;

/** The vocabulary in `metadata`; throws `MODEL_MALFORMED` for one that cannot be right. */
export function parseVocabulary(metadata: Metadata): Vocabulary {
  const texts = parseTexts(metadata);
  const bos = optionalToken(metadata, "bos", texts.length);
  const eos = optionalToken(metadata, "eos", texts.length);
  const unknown = optionalToken(metadata, "unknown", texts.length);
  const kinds = parseKinds(metadata, texts);

  for (const end of [bos, eos]) {
    if (end !== undefined && /^(<.+>|\[.+\])$/u.test(texts[end]!)) kinds[end] = TOKEN_KIND.control;
  }
  const stops = new Set<number>();
  for (const end of ["eos", "eot", "eom"]) {
    const token = optionalToken(metadata, end, texts.length);
    if (token !== undefined) stops.add(token);
  }
  for (let token = 0; token < texts.length; token++) {
    const text = texts[token]!;
    if (TURN_ENDS.has(text)) {
      kinds[token] = TOKEN_KIND.control;
      stops.add(token);
    } else if (kinds[token] === TOKEN_KIND.userDefined && MARKER.test(text)) {
      kinds[token] = TOKEN_KIND.control;
    } else if (kinds[token] === TOKEN_KIND.control && text === "</s>") {
      stops.add(token);
    }
  }
  return { texts, kinds, plain: plainTokens(texts, kinds), bos, eos, unknown, stops };
}

function parseTexts(metadata: Metadata): readonly string[] {
  const texts = requireStrings(metadata, "tokenizer.ggml.tokens");
  if (texts.length === 0 || texts.length > MAX_RANKS) {
    throw malformed(`tokenizer.ggml.tokens holds ${texts.length} tokens, not 1 to ${MAX_RANKS}`);
  }
  for (let token = 0; token < texts.length; token++) {
    if (texts[token]!.length > MAX_TOKEN_CHARS) {
      throw malformed(
        `token ${token} has ${texts[token]!.length} characters, above ${MAX_TOKEN_CHARS}`,
      );
    }
  }
  return texts;
}

/** The kind of each token; where the file has none, byte tokens and `<unk>` are known by spelling. */
function parseKinds(metadata: Metadata, texts: readonly string[]): Uint8Array {
  const types = optionalNumbers(metadata, "tokenizer.ggml.token_type", texts.length);
  const kinds = new Uint8Array(texts.length);
  for (let token = 0; token < texts.length; token++) {
    const type = types?.[token];
    if (type === undefined) kinds[token] = guessKind(texts[token]!);
    // Undefined (0) and kinds yet to come are text: that can forge nothing.
    else kinds[token] = type >= 1 && type <= 6 ? type : TOKEN_KIND.normal;
  }
  return kinds;
}

function guessKind(text: string): number {
  if (/^<0x[0-9A-F]{2}>$/u.test(text)) return TOKEN_KIND.byte;
  return text === "<unk>" ? TOKEN_KIND.unknown : TOKEN_KIND.normal;
}

function plainTokens(texts: readonly string[], kinds: Uint8Array): ReadonlyMap<string, number> {
  const plain = new Map<string, number>();
  for (let token = 0; token < texts.length; token++) {
    const kind = kinds[token];
    if (kind === TOKEN_KIND.control || kind === TOKEN_KIND.unknown || kind === TOKEN_KIND.byte) {
      continue;
    }
    const text = texts[token]!;
    if (text !== "" && !plain.has(text)) plain.set(text, token);
  }
  return plain;
}

/** An array of strings that must be there. */
export function requireStrings(metadata: Metadata, key: string): readonly string[] {
  const value = metadata.get(key);
  if (!Array.isArray(value)) throw malformed(`${key} is missing or no array`);
  const items: readonly unknown[] = value;
  if (!items.every((item): item is string => typeof item === "string")) {
    throw malformed(`${key} holds something that is no string`);
  }
  return items;
}

/** An array of `length` finite numbers, or none at all. */
export function optionalNumbers(
  metadata: Metadata,
  key: string,
  length: number,
): ArrayLike<number> | undefined {
  const value = metadata.get(key);
  if (value === undefined) return undefined;
  if (typeof value !== "object") throw malformed(`${key} is no array`);
  if (value.length !== length) {
    throw malformed(`${key} has ${value.length} entries for ${length} tokens`);
  }
  const numbers = new Float64Array(length);
  for (let i = 0; i < length; i++) {
    const item = value[i];
    if (typeof item !== "number" || !Number.isFinite(item)) {
      throw malformed(`${key}[${i}] is no finite number`);
    }
    numbers[i] = item;
  }
  return numbers;
}

/** A truth value, or what holds where the file is silent. */
export function optionalBoolean(metadata: Metadata, key: string, fallback: boolean): boolean {
  const value = metadata.get(key);
  if (value === undefined) return fallback;
  if (typeof value !== "boolean") throw malformed(`${key} is ${typeof value}, not a boolean`);
  return value;
}

function optionalToken(metadata: Metadata, name: string, size: number): number | undefined {
  const key = `tokenizer.ggml.${name}_token_id`;
  const value = metadata.get(key);
  if (value === undefined) return undefined;
  // -1, in either signedness, is how some converters write "none".
  if (value === -1 || value === 0xffff_ffff) return undefined;
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value >= size) {
    throw malformed(`${key} is ${String(value)}, not a token below ${size}`);
  }
  return value;
}

/** An error about the tokenizer's part of a model file. */
export function malformed(what: string): RuntimeError {
  return new RuntimeError("MODEL_MALFORMED", `Cannot read the vocabulary: ${what}`);
}
