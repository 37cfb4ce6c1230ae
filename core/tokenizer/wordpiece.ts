/**
 * BERT's WordPiece: a text is cleaned and cut into words and punctuation marks, and each word into the longest
 * tokens that begin what is left of it (Devlin et al. 2018). Files have `\u2581` before tokens that begin a word,
 * and nothing in place of the `##` of those that go on, as llama.cpp's converter writes them.
 */
import { BLANK, type TextEncode } from "./spm.ts";
import { type Metadata, TOKEN_KIND, type Vocabulary } from "./vocabulary.ts";

/** Longer words are unknown as a whole, as in BERT's own tokenizer: a bound on what a word costs. */
const MAX_WORD = 100;

/** The encoder of a `bert` vocabulary, and the tokens around a text. */
export interface WordPieceEncoder {
  readonly encode: TextEncode;
  /** `[CLS]`, before a text. */
  readonly bos: number | undefined;
  /** `[SEP]`, behind it. */
  readonly closing: number | undefined;
}

/** The encoder of a `bert` vocabulary. */
export function createWordPieceEncoder(
  metadata: Metadata,
  vocabulary: Vocabulary,
): WordPieceEncoder {
  const { texts, kinds, plain } = vocabulary;
  const marker = (spelling: string, ...keys: readonly string[]): number | undefined => {
    for (const key of keys) {
      const token = metadata.get(`tokenizer.ggml.${key}_token_id`);
      if (typeof token === "number" && texts[token] !== undefined) return token;
    }
    const token = texts.indexOf(spelling);
    return token < 0 ? undefined : token;
  };
  const bos = marker("[CLS]", "cls", "bos");
  // The key is misspelled in the file format.
  const closing = marker("[SEP]", "seperator", "eos");
  const unknown = vocabulary.unknown ?? marker("[UNK]");
  for (const token of [
    bos,
    closing,
    unknown,
    marker("[PAD]", "padding"),
    marker("[MASK]", "mask"),
  ]) {
    if (token !== undefined) kinds[token] = TOKEN_KIND.control;
  }
  const longest = texts.reduce((most, text) => Math.max(most, text.length), 0);
  // A vocabulary with capital letters was made of texts that kept them, and their accents. Symbols such as ℝ,
  // which are capitals too, have no small form and stand in any.
  const cased = texts.some(
    (text, token) => kinds[token] === TOKEN_KIND.normal && /[A-Z]/.test(text),
  );

  const addWord = (word: string, into: number[]): void => {
    const characters = Array.from(word);
    const before = into.length;
    let at = characters.length > MAX_WORD ? -1 : 0;
    while (at >= 0 && at < characters.length) {
      const start = at;
      at = -1;
      for (let end = Math.min(characters.length, start + longest); end > start; end--) {
        const piece = characters.slice(start, end).join("");
        const token = plain.get(start === 0 ? BLANK + piece : piece);
        if (token === undefined) continue;
        into.push(token);
        at = end;
        break;
      }
    }
    if (at >= 0) return;
    into.length = before;
    if (unknown !== undefined) into.push(unknown);
  };

  return {
    bos,
    closing,
    encode(text, into) {
      for (const [word] of normalise(text, cased).matchAll(WORD)) addWord(word, into);
    },
  };
}

/** A punctuation mark, or what stands between those and blanks. ASCII's symbols count as punctuation. */
const WORD = /[!-/:-@[-`{-~\p{P}]|[^\s!-/:-@[-`{-~\p{P}]+/gu;

/** What is no text: controls but for tabs and line ends, and the replacement of broken bytes. */
const REMOVED = /[\0\u{FFFD}]|(?![\t\n\r])[\p{Cc}\p{Cf}\p{Co}]/gu;

/** Characters of Chinese, which stand alone: the blocks that BERT's tokenizer knows. */
const IDEOGRAPH =
  /[\u{4E00}-\u{9FFF}\u{3400}-\u{4DBF}\u{20000}-\u{2A6DF}\u{2A700}-\u{2B73F}\u{2B740}-\u{2B81F}\u{2B820}-\u{2CEAF}\u{F900}-\u{FAFF}\u{2F800}-\u{2FA1F}]/gu;

/** A text as BERT's tokenizer sees it. */
function normalise(text: string, cased: boolean): string {
  const cleaned = text.replaceAll(REMOVED, "").replaceAll(IDEOGRAPH, " $& ");
  if (cased) return cleaned;
  const bare = cleaned.normalize("NFD").replaceAll(/\p{Mn}/gu, "");
  // One by one: what a letter becomes does not depend on where in a word it stands.
  return Array.from(bare, (character) => character.toLowerCase()).join("");
}
