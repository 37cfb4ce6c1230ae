/**
 * SentencePiece's BPE: characters are joined by the score of the token they make, highest first, and
 * what is no token in the end falls back to its bytes (Kudo and Richardson 2018, arXiv:1808.06226).
 *
 * Blanks are kept as they are, doubled and leading ones too, even where the vocabulary was trained to
 * collapse them (`remove_extra_whitespaces`): llama.cpp, by which models are converted and judged, does
 * not collapse them for this kind of vocabulary either.
 */
import type { MergeRules } from "./merge.ts";
import { createMerger } from "./merge.ts";
import type { Metadata, Vocabulary } from "./vocabulary.ts";
import { malformed, optionalNumbers, TOKEN_KIND } from "./vocabulary.ts";
import { cacheWords } from "./word-cache.ts";

/** Stands for a blank inside tokens. */
export const BLANK = "\u2581";
const BLANK_CODE = 0x2581;

const utf8 = new TextEncoder();

/** Appends the tokens of a text without special tokens; blanks are already {@linkcode BLANK}. */
export type TextEncode = (text: string, into: number[]) => void;

/** The encoder of a `llama` vocabulary. */
export function createSpmEncoder(metadata: Metadata, vocabulary: Vocabulary): TextEncode {
  const { texts, kinds, plain, unknown } = vocabulary;
  const ranks = rankScores(metadata, texts.length);
  const byteTokens = findByteTokens(texts, kinds);
  const merger = createMerger();

  let longest = 1;
  /** Words merge on their own when no token reaches over the beginning of a word. */
  let bounded = true;
  for (const text of plain.keys()) {
    longest = Math.max(longest, text.length);
    bounded &&= !/[^\u2581]\u2581/u.test(text);
  }

  const encodeWord = (word: string, into: number[]): void => {
    const offsets = characterOffsets(word);
    const rules: MergeRules = {
      rank(left, _right, end) {
        const from = offsets[left]!;
        const to = offsets[end]!;
        if (to - from > longest) return -1;
        const token = plain.get(word.slice(from, to));
        return token === undefined ? -1 : ranks[token]!;
      },
      joined() {},
    };
    const count = offsets.length - 1;
    const next = merger.merge(count, rules);
    for (let i = 0; i < count; i = next[i]!) {
      const symbol = word.slice(offsets[i], offsets[next[i]!]);
      const token = plain.get(symbol);
      if (token !== undefined) {
        into.push(token);
        continue;
      }
      for (const byte of utf8.encode(symbol)) {
        const fallback = byteTokens[byte]!;
        if (fallback >= 0) {
          into.push(fallback);
        } else {
          // Without byte tokens a character is unknown as a whole.
          if (unknown !== undefined) into.push(unknown);
          break;
        }
      }
    }
  };

  if (!bounded) {
    return (text, into) => {
      if (text !== "") encodeWord(text, into);
    };
  }
  const encodeCached = cacheWords(encodeWord);
  return (text, into) => {
    let start = 0;
    while (start < text.length) {
      let from = start;
      while (from < text.length && text.charCodeAt(from) === 0x2581) from++;
      const found = from < text.length ? text.indexOf(BLANK, from) : -1;
      const end = found < 0 ? text.length : found;
      encodeCached(text.slice(start, end), into);
      start = end;
    }
  };
}

/** Where each character of `word` begins, and its end: half a surrogate pair is no symbol. */
function characterOffsets(word: string): Int32Array {
  const offsets = new Int32Array(word.length + 1);
  let count = 0;
  for (let i = 0; i < word.length; count++) {
    offsets[count] = i;
    i += word.codePointAt(i)! > 0xffff ? 2 : 1;
  }
  offsets[count] = word.length;
  return offsets.subarray(0, count + 1);
}

/** Scores as dense ranks, 0 for the highest; equal scores share a rank, so that the leftmost wins. */
function rankScores(metadata: Metadata, size: number): Int32Array {
  const scores = optionalNumbers(metadata, "tokenizer.ggml.scores", size);
  if (scores === undefined) throw malformed("tokenizer.ggml.scores is missing");
  const distinct = [...new Set(Array.from(scores))].toSorted((a, b) => b - a);
  const rankOf = new Map(distinct.map((score, rank) => [score, rank]));
  return Int32Array.from(scores, (score) => rankOf.get(score)!);
}

/** Token of each byte, -1 for none. */
function findByteTokens(texts: readonly string[], kinds: Uint8Array): Int32Array {
  const tokens = new Int32Array(256).fill(-1);
  for (let token = 0; token < texts.length; token++) {
    if (kinds[token] !== TOKEN_KIND.byte) continue;
    const byte = byteOf(texts[token]!);
    if (byte === undefined) throw malformed(`byte token ${token} is not spelled like <0x0A>`);
    if (tokens[byte]! < 0) tokens[byte] = token;
  }
  return tokens;
}

/** The byte that `<0x0A>` spells. */
function byteOf(text: string): number | undefined {
  const digits = /^<0x([0-9A-Fa-f]{2})>$/u.exec(text)?.[1];
  return digits === undefined ? undefined : Number.parseInt(digits, 16);
}

/** The bytes of each kind of token of a `llama` vocabulary. */
export function spmTokenBytes(text: string, kind: number): Uint8Array {
  if (kind === TOKEN_KIND.byte) {
    const byte = byteOf(text);
    return byte === undefined ? new Uint8Array(0) : Uint8Array.of(byte);
  }
  const blank = kind === TOKEN_KIND.userDefined ? -1 : BLANK_CODE;
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0x80 && code !== blank) {
      return utf8.encode(blank < 0 ? text : text.replaceAll(BLANK, " "));
    }
    bytes[i] = code === blank ? 0x20 : code;
  }
  return bytes;
}
