/** Follows the tokens of one answer through a grammar. */
import { createAutomaton, type Automaton, type State } from "./automaton.ts";
import { type Beginnings, createEndings, type Endings } from "./ending.ts";
import { FIRST_CONTROL, type Grammar } from "./grammar.ts";
import { MAX_KEPT_GRAMMARS } from "./limits.ts";
import { allow, createMasks, forbid, maskWords, type Masks } from "./masks.ts";
import type { TokenBytes } from "./token-bytes.ts";
import { indexTokens, type TokenIndex } from "./token-index.ts";

/** Where an answer is. Its state depends on the tokens alone. */
export interface Matcher {
  /** Tokens that may come next; those that end the answer are among them where it may end. Valid until `push`. */
  mask(): Uint32Array;
  /** Whether the answer is complete, and nothing can be added. */
  readonly finished: boolean;
  /** Whether the answer may end here. */
  readonly accepts: boolean;
  /** Take the next token; `false` where it does not fit, and nothing has changed then. */
  push(token: number): boolean;
  /** Another matcher at the same place. */
  fork(): Matcher;
  /** Tokens that the shortest way to an end takes from here, see {@linkcode Endings.count}. */
  readonly shortest: number;
  /** Whether that is at most `most` or, given a token that may come next, whether it is behind that one. */
  endsWithin(most: number, token?: number): boolean;
  /** Tokens to go on with where at most `most` may follow, see {@linkcode Endings.beginnings}. */
  beginnings(most: number): Beginnings;
}

/** Compiled grammars over vocabularies. */
export interface Matchers {
  /**
   * A matcher at the beginning of an answer.
   *
   * @param blank Whether decoding takes a blank away from the beginning.
   * @param stops Tokens that end the answer.
   */
  start(
    grammar: Grammar,
    vocabulary: TokenBytes,
    stops: readonly number[],
    blank: boolean,
  ): Matcher;
}

interface Compiled {
  readonly vocabulary: TokenBytes;
  readonly index: TokenIndex;
  readonly automaton: Automaton;
  readonly masks: Masks;
  readonly endings: Endings;
}

/** Keeps the grammars last used: what one answer finds out serves the next. */
export function createMatchers(): Matchers {
  const compiled = new Map<string, Compiled>();

  function compile(grammar: Grammar, vocabulary: TokenBytes): Compiled {
    let found = compiled.get(grammar.key);
    compiled.delete(grammar.key);
    if (found?.vocabulary !== vocabulary) {
      const index = indexTokens(vocabulary);
      const automaton = createAutomaton(grammar);
      found = {
        vocabulary,
        index,
        automaton,
        masks: createMasks(automaton, index),
        endings: createEndings(automaton, index),
      };
    }
    compiled.set(grammar.key, found);
    // Maps are ordered: the first key is the one not used for longest.
    for (const key of compiled.keys()) {
      if (compiled.size <= MAX_KEPT_GRAMMARS) break;
      compiled.delete(key);
    }
    return found;
  }

  return {
    start(grammar, vocabulary, stops, blank) {
      const { automaton, index, masks, endings } = compile(grammar, vocabulary);
      const controls = new Set(index.controls);
      const named = new Map(automaton.controls.map((token, i) => [token, FIRST_CONTROL + i]));
      const other = FIRST_CONTROL + automaton.controls.length;
      automaton.allow();
      return matcherAt(automaton.begin(blank));

      function matcherAt(first: State): Matcher {
        let state = first;
        const own = new Uint32Array(maskWords(index.size));

        /** The state behind a token, `null` where it does not fit. */
        function behind(token: number): State | null {
          automaton.allow();
          const bytes = index.bytes(token);
          if (controls.has(token)) {
            return automaton.step(state, automaton.classes[named.get(token) ?? other]!);
          }
          let at: State | null = bytes.length === 0 ? null : state;
          for (const byte of bytes) {
            if (at === null) break;
            at = automaton.step(at, automaton.classes[byte]!);
          }
          return at;
        }

        return {
          mask() {
            own.set(masks.of(state));
            for (const stop of stops) {
              if (state.accepts) allow(own, stop);
              else if (controls.has(stop)) forbid(own, stop);
            }
            return own;
          },
          get finished() {
            return state.ends;
          },
          get accepts() {
            return state.accepts;
          },
          push(token) {
            const next = behind(token);
            if (next === null) return false;
            state = next;
            return true;
          },
          fork: () => matcherAt(state),
          get shortest() {
            automaton.allow();
            return endings.count(state);
          },
          endsWithin(most, token) {
            const from = token === undefined ? state : behind(token);
            automaton.allow();
            return from !== null && endings.within(from, most);
          },
          beginnings(most) {
            automaton.allow();
            return endings.beginnings(state, most);
          },
        };
      }
    },
  };
}
