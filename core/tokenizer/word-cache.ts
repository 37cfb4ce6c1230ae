/** Remembers the tokens of words met before: texts repeat few words often. */

/** Longer words seldom come back. */
const MAX_WORD_CHARS = 48;

/** A few megabytes at most, and more distinct words than a long conversation has. */
const MAX_WORDS = 16_384;

/** Wraps `encode` (word → append its tokens) with a bounded memory. */
export function cacheWords(
  encode: (word: string, into: number[]) => void,
): (word: string, into: number[]) => void {
  const known = new Map<string, readonly number[]>();
  return (word, into) => {
    if (word.length > MAX_WORD_CHARS) {
      encode(word, into);
      return;
    }
    let tokens = known.get(word);
    if (tokens === undefined) {
      const fresh: number[] = [];
      encode(word, fresh);
      tokens = fresh;
      // Starting over is cheaper than an order of use, and a hostile text gains nothing from it.
      if (known.size >= MAX_WORDS) known.clear();
      known.set(word, tokens);
    }
    for (const token of tokens) into.push(token);
  };
}
