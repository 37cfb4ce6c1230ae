import { withoutFrame } from "./frames.ts";
import { ASKING, CLEAR_NAMES, CONTRACTIONS, NUMBER_WORDS, SAME, STARTERS } from "./vocabulary.ts";

/** A longer text holds more than one vector can tell from others like it. */
export const MAX_QUESTION_CHARS = 400;

/** Words with what stands inside of them, or a single sign. */
const PIECES = /[\p{L}\p{M}\p{N}]+(?:['.,:/\-_@][\p{L}\p{M}\p{N}]+)*|\S/gu;

/**
 * A stop that ends a sentence, behind a word; French sets one apart. Behind a number an exclamation mark is a
 * factorial, and signs that stand alone are what is being asked about.
 */
const FINAL_STOP =
  /(?<=[\p{L}\p{M}][\p{L}\p{M}'])\s\?$|(?<=[\p{L}\p{M}'")])[.!?…]{1,3}$|(?<=\p{N})[.?]$/u;

/** What a question says. */
export interface Saying {
  /** What it is compared by: words and signs in order, in one form where their form changes nothing. */
  readonly terms: readonly string[];
  /** What a vector is made of: the same in the question's own words. A final stop alone turns a vector by 25 degrees. */
  readonly bare: string;
}

/**
 * Read a question: without courtesies, the frames of requests, the capital of a first word, short forms and the final
 * stop; for comparing, spelling variants and words that mean the same are one. Whatever is not known to change nothing
 * stays. `undefined` for what is no plain question: several lines, code, quotations, or too long.
 */
export function readQuestion(question: string): Saying | undefined {
  // Before anything is done for each of its letters; accents may be letters of their own, white space goes.
  if (question.length > 4 * MAX_QUESTION_CHARS) return undefined;
  const text = question.normalize("NFC").replaceAll(/[’‘]/g, "'").replaceAll(/[“”]/g, '"').trim();
  if (text === "" || text.length > MAX_QUESTION_CHARS) return undefined;
  // Layout means something there, and whatever is quoted is taken to the letter; elsewhere a space is a space.
  if (/[\n\r\t`"\p{Cc}\p{Cf}]|(?<!\p{L})'|'(?!\p{L})|:\s/u.test(text)) return undefined;
  const isAboutWords = ABOUT_WORDS.test(text);
  const asked = isAboutWords ? text : withoutThanks(text);
  const end = FINAL_STOP.exec(asked);
  const pieces = withoutSpareSigns(asked.slice(0, end?.index).match(PIECES) ?? []);
  const isSmall = !/\p{Lu}/u.test(asked.replaceAll(/\bI\b/g, ""));
  const words = pieces.flatMap((piece, i) =>
    withoutShortForm(piece, i === 0 || /^[.!?¿]$/.test(pieces[i - 1]!), isSmall),
  );
  const compared = isAboutWords
    ? words
    : words.map((word) => SAME.get(word) ?? NUMBER_WORDS.get(word) ?? word);
  const terms = withoutFrame(compared);
  const [first] = terms;
  if (first === undefined) return undefined;
  // Where no word asks, the sign does.
  const asks = end?.[0].includes("?") === true && !ASKING.has(first);
  return { terms: asks ? [...terms, "?"] : terms, bare: withoutFrame(words).join(" ") };
}

/** Courtesies behind a request, set apart from it. */
const THANKS =
  /(?:,\s*|(?<=[?.!])\s+)(?:please|thanks|thank you|bitte|danke|s'il vous plaît|s'il te plaît|merci|por favor|gracias)([?.!]{0,2})$/iu;

/** Where words are what is asked about, none is a mere courtesy, and none may stand for another. */
const ABOUT_WORDS =
  /(?<!\p{L})(?:say|says|said|mean|means|words?|names? for|call|calls|called|terms?|letters?|characters?|vowels?|consonants?|syllables?|rhymes?|synonyms?|antonyms?|plural|uppercase|lowercase|capitali[sz]e|anagrams?|acronyms?|abbreviations?|etymology|spelling|translate|spell|spelled|spelt|write|reply|answer|phrase|pronounce|pronounced|sagt|heißt|bedeutet|wort|wörter|buchstaben|übersetze|schreibe|dit|dire|signifie|mot|lettres|traduis|écris|dice|decir|significa|palabra|letras|traduce|escribe)(?!\p{L})/iu;

function withoutThanks(text: string): string {
  return text.replace(THANKS, (found, stop: string) => (found.startsWith(",") ? stop : ""));
}

/** The words of one piece. */
function withoutShortForm(piece: string, isFirst: boolean, isSmall: boolean): readonly string[] {
  const cased = withoutEmptyCapital(piece, isFirst);
  const named = isSmall && CLEAR_NAMES.has(cased) ? capitalised(cased) : cased;
  return CONTRACTIONS.get(named) ?? [named];
}

/** A capital that only says that a sentence begins here is made small; every other one may be a name. */
function withoutEmptyCapital(piece: string, isFirst: boolean): string {
  if (piece === "I" || piece.startsWith("I'")) return `i${piece.slice(1)}`;
  if (!isFirst) return piece;
  const small = piece[0]!.toLowerCase() + piece.slice(1);
  const stem = CONTRACTIONS.get(small)?.[0] ?? small;
  return STARTERS.has(stem) ? small : piece;
}

function capitalised(word: string): string {
  return word[0]!.toUpperCase() + word.slice(1);
}

/** Without the comma before the last `and` or `or` of a list, and the sign with which a Spanish question begins. */
function withoutSpareSigns(pieces: readonly string[]): readonly string[] {
  return pieces.filter(
    (piece, i) =>
      !(piece === "," && /^(?:and|or)$/.test(pieces[i + 1] ?? "")) && !(i === 0 && piece === "¿"),
  );
}
