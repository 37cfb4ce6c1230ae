/** Tokens of context that have to repeat before what followed them is guessed: fewer guess wrongly too often. */
const MATCH = 3;

/** Guesses the next tokens of one sequence. */
export interface Lookup {
  /** At most `most` guesses of what follows `tokens`, which only ever grow; none where nothing repeats. */
  guess(tokens: readonly number[], most: number): number[];
}

/**
 * Prompt lookup (Saxena 2023, "Prompt Lookup Decoding"): what followed the last few tokens the last time they
 * occurred. Quotes, code and lists repeat themselves; other texts give no guesses and cost nothing.
 */
export function createLookup(): Lookup {
  /** Where a run of tokens was followed last. */
  const follows = new Map<string, number>();
  let indexed = MATCH;

  return {
    guess(tokens, most) {
      const { length } = tokens;
      // The last run has no successor yet: it is what is looked for.
      for (; indexed < length; indexed++) follows.set(runBefore(tokens, indexed), indexed);
      const from = length < MATCH ? undefined : follows.get(runBefore(tokens, length));
      const guesses: number[] = [];
      if (from === undefined) return guesses;
      // A text that repeats what it is just saying goes on with its own guesses.
      for (let at = from; guesses.length < most; at++) {
        guesses.push(at < length ? tokens[at]! : guesses[at - length]!);
      }
      return guesses;
    },
  };
}

function runBefore(tokens: readonly number[], end: number): string {
  let run = "";
  for (let i = end - MATCH; i < end; i++) run += `${tokens[i]},`;
  return run;
}
