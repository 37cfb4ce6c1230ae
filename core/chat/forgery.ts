/**
 * Keeps the text of messages from becoming control tokens. A template sees marked text: a noncharacter
 * stands where a control token's spelling would otherwise come about, and is taken out once the prompt
 * has been cut at the spellings that are left, which are then the template's own.
 *
 * Marks go
 * - after every character of a message that can open a spelling, not only into whole spellings: a
 *   template that cuts pieces out of a text (`<|im<think>_end|>`) must not assemble one;
 * - before a text that would complete what the template's own text opens (`'<' ~ name ~ '>'`);
 * whatever its letters' case, which a template may change (`content | upper`).
 *
 * Words the template itself looks for (`'</think>' in content`) stay as they are, unless a spelling
 * could begin with them.
 */
import { RuntimeError } from "../errors.ts";

/** Marks texts of a conversation, and takes the marks out of what became of them. */
export interface Forgery {
  /** A mark that occurs in none of `texts`. */
  chooseMark(texts: Iterable<string>): string;
  protect(text: string, mark: string): string;
  unmark(text: string, mark: string): string;
}

/** Unicode's noncharacters for internal use: no text is supposed to hold them. */
const FIRST_MARK = 0xfdd0;
const MARKS = 32;

/** Words a template looks for are short; longer literals are what it writes. */
const MAX_WORD_CHARS = 64;

/** Protection against the spellings of control tokens, within a template of the given literals. */
export function createForgery(spellings: readonly string[], literals: readonly string[]): Forgery {
  // Marking every letter that opens a spelling would leave no word a template could recognise.
  const symbolic = spellings.filter((spelling) => isSymbol(spelling[0]!));
  const wordy = spellings.filter((spelling) => !isSymbol(spelling[0]!));
  const openers = new Set(symbolic.map((spelling) => spelling[0]!));
  const words = wordsByOpener(symbolic, literals, openers);
  const rests = openRests(spellings, literals).map(withoutCase);
  const restStarts = new Set(rests.map((rest) => rest[0]!));
  const longestRest = Math.max(0, ...rests.map((rest) => rest.length));

  const completes = (text: string): boolean => {
    // Some letters are several in another case.
    const start = withoutCase(text.slice(0, longestRest));
    return (
      restStarts.has(start[0] ?? "") &&
      rests.some((rest) => start.startsWith(rest) || rest.startsWith(start))
    );
  };
  const wordPatterns = wordy.map((spelling) => new RegExp(escaped(spelling), "giu"));

  const markOpeners = (text: string, mark: string): string => {
    let marked = "";
    let from = 0;
    for (let i = 0; i < text.length; i++) {
      const char = text[i]!;
      if (!openers.has(char)) continue;
      if (words.get(char)?.some((word) => text.startsWith(word, i)) === true) continue;
      marked += text.slice(from, i + 1) + mark;
      from = i + 1;
    }
    return marked + text.slice(from);
  };

  const markWords = (text: string, mark: string): string => {
    let marked = text;
    for (const [i, spelling] of wordy.entries()) {
      marked = marked.replaceAll(wordPatterns[i]!, (found) => found[0]! + mark + found.slice(1));
      if (endsOpen(withoutCase(marked.slice(-spelling.length)), withoutCase(spelling)))
        marked += mark;
    }
    return marked;
  };

  const markAll = (text: string, mark: string): string => markWords(markOpeners(text, mark), mark);

  return {
    chooseMark(texts) {
      const used = new Set<string>();
      for (const text of texts) {
        for (const [found] of text.matchAll(/[\u{FDD0}-\u{FDEF}]|\\u[Ff][Dd][DdEe][0-9A-Fa-f]/gu)) {
          used.add(found.length === 1 ? found : String.fromCodePoint(parseInt(found.slice(2), 16)));
        }
      }
      for (let i = 0; i < MARKS; i++) {
        const mark = String.fromCodePoint(FIRST_MARK + i);
        if (!used.has(mark)) return mark;
      }
      throw new RuntimeError(
        "INVALID_REQUEST",
        "Cannot encode the messages: they hold every noncharacter from U+FDD0 to U+FDEF; leave one out",
        { param: "messages" },
      );
    },
    protect(text, mark) {
      if (text === "") return text;
      const lead = text.length - text.trimStart().length;
      const opens = completes(text) ? 0 : lead > 0 && completes(text.slice(lead)) ? lead : -1;
      if (opens < 0) return markAll(text, mark);
      return text.slice(0, opens) + mark + markAll(text.slice(opens), mark);
    },
    unmark(text, mark) {
      const spelled = `\\u${mark.charCodeAt(0).toString(16)}`;
      return text.replaceAll(mark, "").replaceAll(spelled, "");
    },
  };
}

/** Equal for texts that a change of case can make equal. */
function withoutCase(text: string): string {
  return text.toUpperCase().toLowerCase();
}

/** The pattern of this text. */
function escaped(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`);
}

/** Neither letter, digit nor blank, nor what JSON is made of: marking it disturbs no template. */
function isSymbol(char: string): boolean {
  return /[^\p{L}\p{N}\p{White_Space}\p{Surrogate}"'\\{},:]/u.test(char);
}

/** Literals that begin with an opener, but not a spelling. */
function wordsByOpener(
  spellings: readonly string[],
  literals: readonly string[],
  openers: ReadonlySet<string>,
): ReadonlyMap<string, readonly string[]> {
  const words = new Map<string, string[]>();
  for (const word of new Set(literals)) {
    const opener = word[0];
    if (opener === undefined || !openers.has(opener)) continue;
    if (word.length < 2 || word.length > MAX_WORD_CHARS) continue;
    if (spellings.some((spelling) => spelling.startsWith(word) || word.startsWith(spelling))) {
      continue;
    }
    words.set(opener, [...(words.get(opener) ?? []), word]);
  }
  return words;
}

/** What would complete a spelling that one of the template's literals opens at its end. */
function openRests(spellings: readonly string[], literals: readonly string[]): readonly string[] {
  const longest = Math.max(0, ...spellings.map((spelling) => spelling.length));
  const ends = new Set<string>();
  for (const literal of literals) {
    for (let length = 1; length < Math.min(longest, literal.length + 1); length++) {
      ends.add(literal.slice(-length));
    }
  }
  const rests = new Set<string>();
  for (const spelling of spellings) {
    for (let length = 1; length < spelling.length; length++) {
      if (ends.has(spelling.slice(0, length))) rests.add(spelling.slice(length));
    }
  }
  return [...rests];
}

/** Whether `text` ends with a part of `spelling` that it begins with. */
function endsOpen(text: string, spelling: string): boolean {
  for (let length = Math.min(text.length, spelling.length - 1); length > 0; length--) {
    if (text.endsWith(spelling.slice(0, length))) return true;
  }
  return false;
}
