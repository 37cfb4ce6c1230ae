/** The shortest way to bring a text to an end, in tokens: how many it takes and which it begins with. */
import type { Automaton, State } from "./automaton.ts";
import { FIRST_CONTROL } from "./grammar.ts";
import { MAX_ENDING } from "./limits.ts";
import { allow, maskWords } from "./masks.ts";
import { tokensAt } from "./token-tree.ts";
import type { TokenIndex } from "./token-index.ts";

/** Shortest endings of the texts of one automaton over one vocabulary. */
export interface Endings {
  /**
   * Tokens that the shortest ending takes, the end itself not counted: the fewest that spell the text of fewest bytes.
   * `Infinity` where the vocabulary cannot spell it or it is longer than {@linkcode MAX_ENDING}.
   */
  count(state: State): number;
  /** Whether that is at most `most`; found without spelling it wherever its length tells. */
  within(state: State, most: number): boolean;
  /** Tokens to go on with where at most `most` may follow: beginnings of the shortest ending. */
  beginnings(state: State, most: number): Beginnings;
}

/** Tokens that an ending begins with. */
export interface Beginnings {
  /** After each of them the rest still fits. */
  readonly mask: Uint32Array;
  /** All beginnings, whether the rest fits or not. */
  readonly all: Uint32Array;
  /** The longest one of the mask, -1 where there is none. */
  readonly longest: number;
}

/** See {@linkcode Endings}. It costs a step of the automaton for each byte. */
export function createEndings(automaton: Automaton, index: TokenIndex): Endings {
  /** Bytes and control labels of the shortest ending. */
  function labelsOf(state: State): number[] {
    const labels: number[] = [];
    for (let at = state; at.left > 0;) {
      const label = automaton.towardsEnd(at);
      labels.push(label);
      // Where it leads is alive: the way was found backwards from an end.
      at = automaton.step(at, automaton.classes[label]!)!;
    }
    return labels;
  }

  /** Tokens that begin at `from`, and where each ends. */
  function* choicesAt(
    labels: readonly number[],
    from: number,
  ): Generator<readonly [token: number, end: number]> {
    const first = labels[from]!;
    if (first < FIRST_CONTROL) {
      yield* tokensAt(index.plain, labels, from);
      yield* tokensAt(index.other, labels, from);
      return;
    }
    const token = automaton.controls[first - FIRST_CONTROL];
    if (token !== undefined) yield [token, from + 1];
  }

  /** [labels + 1] tokens that each tail takes. */
  function countsOf(labels: readonly number[]): Float64Array {
    const counts = new Float64Array(labels.length + 1).fill(Infinity);
    counts[labels.length] = 0;
    for (let from = labels.length - 1; from >= 0; from--) {
      for (const [, end] of choicesAt(labels, from)) {
        counts[from] = Math.min(counts[from]!, 1 + counts[end]!);
      }
    }
    return counts;
  }

  function count(state: State): number {
    return state.left > MAX_ENDING ? Infinity : countsOf(labelsOf(state))[0]!;
  }

  return {
    count,
    within(state, most) {
      if (state.left === 0) return most >= 0;
      // A control token or a byte is a token at most, where bytes are tokens.
      if (index.hasBytes && state.left <= most) return true;
      // A token has so many bytes at most.
      if (state.left > most * index.mostBytes) return false;
      return count(state) <= most;
    },
    beginnings(state, most) {
      const mask = new Uint32Array(maskWords(index.size));
      const all = new Uint32Array(maskWords(index.size));
      const labels = labelsOf(state);
      const counts = countsOf(labels);
      let longest = -1;
      let furthest = 0;
      for (const [token, end] of labels.length > 0 ? choicesAt(labels, 0) : []) {
        allow(all, token);
        if (1 + counts[end]! > most) continue;
        allow(mask, token);
        if (end < furthest) continue;
        furthest = end;
        longest = token;
      }
      return { mask, all, longest };
    },
  };
}
