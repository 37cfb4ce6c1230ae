/**
 * Byte-level BPE: a word's bytes are joined by the rank of the pair in the model's list of merges
 * (Sennrich et al. 2016, arXiv:1508.07909, over bytes as in GPT-2).
 */
import { BYTE_CHARS, fromByteText, toByteText } from "./byte-text.ts";
import type { MergeRules } from "./merge.ts";
import { createMerger, MAX_RANKS } from "./merge.ts";
import { createPairTable } from "./pair-table.ts";
import type { PreTokenizer } from "./split.ts";
import { splitWords } from "./split.ts";
import type { TextEncode } from "./spm.ts";
import type { Metadata, Vocabulary } from "./vocabulary.ts";
import { malformed, requireStrings, TOKEN_KIND } from "./vocabulary.ts";
import { cacheWords } from "./word-cache.ts";

/** Words up to this length may be tokens as they stand; as long as a token may be. */
const MAX_WHOLE_WORD_CHARS = 4096;

/** The encoder of a `gpt2` vocabulary. */
export function createBpeEncoder(
  metadata: Metadata,
  vocabulary: Vocabulary,
  pre: PreTokenizer,
): TextEncode {
  const { plain, unknown } = vocabulary;
  const merges = parseMerges(metadata, vocabulary);
  const merger = createMerger();
  const utf8 = new TextEncoder();

  /** Symbols that are no token are given out byte by byte. */
  const emit = (symbol: number, into: number[]): void => {
    if (symbol < vocabulary.texts.length) {
      into.push(symbol);
      return;
    }
    for (const char of merges.texts[symbol - vocabulary.texts.length]!) {
      const token = plain.get(char) ?? unknown;
      if (token !== undefined) into.push(token);
    }
  };

  const encodeWord = (word: string, into: number[]): void => {
    const bytes = utf8.encode(word);
    if (pre.wholeWords && word.length <= MAX_WHOLE_WORD_CHARS) {
      const whole = plain.get(toByteText(bytes));
      if (whole !== undefined) {
        into.push(whole);
        return;
      }
    }
    const symbols = Int32Array.from(bytes, (byte) => merges.byteSymbols[byte]!);
    const rules: MergeRules = {
      rank: (left, right) => merges.rank(symbols[left]!, symbols[right]!),
      joined(left, rank) {
        symbols[left] = merges.results[rank]!;
      },
    };
    const next = merger.merge(symbols.length, rules);
    for (let i = 0; i < symbols.length; i = next[i]!) emit(symbols[i]!, into);
  };

  const encodeCached = cacheWords(encodeWord);
  return (text, into) => {
    splitWords(text, pre, (word) => encodeCached(word, into));
  };
}

interface Merges {
  readonly byteSymbols: Int32Array;
  /** Rank of a pair of symbols, -1 for none. */
  rank(left: number, right: number): number;
  /** The symbol that a pair becomes, by rank. */
  readonly results: Int32Array;
  /** Spellings of the symbols that are no token; their numbers follow the tokens'. */
  readonly texts: readonly string[];
}

function parseMerges(metadata: Metadata, { plain, texts: tokens }: Vocabulary): Merges {
  const lines = requireStrings(metadata, "tokenizer.ggml.merges");
  if (lines.length > MAX_RANKS) {
    throw malformed(`tokenizer.ggml.merges has ${lines.length} entries, above ${MAX_RANKS}`);
  }
  const extra = new Map<string, number>();
  const texts: string[] = [];
  const symbolOf = (text: string): number => {
    const known = plain.get(text) ?? extra.get(text);
    if (known !== undefined) return known;
    const symbol = tokens.length + texts.length;
    texts.push(text);
    extra.set(text, symbol);
    return symbol;
  };

  const byteSymbols = Int32Array.from(BYTE_CHARS, symbolOf);
  const table = createPairTable(lines.length);
  const results = new Int32Array(lines.length);
  for (let rank = 0; rank < lines.length; rank++) {
    const line = lines[rank]!;
    // From the second character on: a left half may itself begin with a blank.
    const blank = line.indexOf(" ", 1);
    if (blank < 0 || blank === line.length - 1) {
      throw malformed(`merge ${rank} is ${JSON.stringify(line.slice(0, 80))}, not two symbols`);
    }
    const left = line.slice(0, blank);
    const right = line.slice(blank + 1);
    table.add(symbolOf(left), symbolOf(right), rank);
    results[rank] = symbolOf(left + right);
  }
  return { byteSymbols, rank: (left, right) => table.get(left, right), results, texts };
}

/** The bytes of each kind of token of a `gpt2` vocabulary. */
export function bpeTokenBytes(text: string, kind: number): Uint8Array {
  return kind === TOKEN_KIND.userDefined ? new TextEncoder().encode(text) : fromByteText(text);
}
