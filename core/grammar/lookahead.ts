/**
 * What can be said of all texts of plain characters (those of {@linkcode TokenTree}) at once: how many always fit
 * after a state, and how many can. Inside of a JSON string every plain text fits, between its tokens hardly any does,
 * and so most of a vocabulary is decided without looking at it.
 */
import type { Automaton, PlainFacts, State } from "./automaton.ts";

/** Plain characters looked ahead; longer tokens are looked at one by one. */
export const MAX_AHEAD = 24;

/** States looked at for one answer: patterns can have thousands of different ones within a few characters. */
const MAX_VISITS = 64;

/** Runs of first bytes whose characters go on alike: [first, last, low and high bounds of each further byte]. */
const MULTIBYTE: readonly (readonly (readonly [number, number])[])[] = [
  [
    [0xc2, 0xdf],
    [0x80, 0xbf],
  ],
  [
    [0xe0, 0xe0],
    [0xa0, 0xbf],
    [0x80, 0xbf],
  ],
  [
    [0xe1, 0xec],
    [0x80, 0xbf],
    [0x80, 0xbf],
  ],
  [
    [0xed, 0xed],
    [0x80, 0x9f],
    [0x80, 0xbf],
  ],
  [
    [0xee, 0xef],
    [0x80, 0xbf],
    [0x80, 0xbf],
  ],
  [
    [0xf0, 0xf0],
    [0x90, 0xbf],
    [0x80, 0xbf],
    [0x80, 0xbf],
  ],
  [
    [0xf1, 0xf3],
    [0x80, 0xbf],
    [0x80, 0xbf],
    [0x80, 0xbf],
  ],
  [
    [0xf4, 0xf4],
    [0x80, 0x8f],
    [0x80, 0xbf],
    [0x80, 0xbf],
  ],
];
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Looks ahead in the states of one automaton. */
export interface Lookahead {
  /** Plain texts of up to so many characters all fit; at most {@linkcode MAX_AHEAD}. */
  always(state: State): number;
  /** No plain text of more characters fits, unless it is {@linkcode MAX_AHEAD}, which means any number. */
  most(state: State): number;
}

/** A look ahead that keeps in the states what it finds out. */
export function createLookahead(automaton: Automaton): Lookahead {
  const { classes } = automaton;
  /** One byte of each class within bounds. */
  const within = ([from, to]: readonly [number, number]): number[] => {
    const found: number[] = [];
    for (let byte = from; byte <= to; byte++) {
      if (byte === QUOTE || byte === BACKSLASH) continue;
      if (!found.includes(classes[byte]!)) found.push(classes[byte]!);
    }
    return found;
  };
  const single = within([0x20, 0x7f]);
  const longer = MULTIBYTE.map((bounds) => bounds.map(within));
  let visits = 0;

  function facts(state: State): PlainFacts {
    if (state.plain !== undefined) return state.plain;
    const targets = new Set<State>();
    let fit = true;
    const follow = (from: Iterable<State>, labels: readonly number[]): Set<State> => {
      const reached = new Set<State>();
      for (const one of from) {
        for (const label of labels) {
          const next = automaton.step(one, label);
          if (next === null) fit = false;
          else reached.add(next);
        }
      }
      return reached;
    };
    for (const next of follow([state], single)) targets.add(next);
    for (const labels of longer) {
      let at: Set<State> = new Set([state]);
      for (const label of labels) at = follow(at, label);
      for (const next of at) targets.add(next);
    }
    state.plain = {
      targets: [...targets],
      allFit: fit,
      always: 0,
      alwaysEnd: fit ? MAX_AHEAD : 0,
      most: 0,
      mostEnd: MAX_AHEAD,
    };
    return state.plain;
  }

  /** How many plain characters always fit, up to `cap`; fewer where that takes too long to find out. */
  function always(state: State, cap: number): number {
    if (cap === 0 || ++visits > MAX_VISITS) return 0;
    const known = facts(state);
    if (known.always >= cap) return cap;
    if (known.always === known.alwaysEnd) return known.always;
    let least = known.allFit ? cap : 0;
    for (const target of known.targets) {
      if (least > 0) least = Math.min(least, 1 + always(target, cap - 1));
    }
    known.always = Math.max(known.always, least);
    if (least < cap && visits <= MAX_VISITS) known.alwaysEnd = least;
    return least;
  }

  /** How many plain characters can fit, up to `cap`, which is also the answer that takes too long to find out. */
  function most(state: State, cap: number): number {
    if (cap === 0 || ++visits > MAX_VISITS) return cap;
    const known = facts(state);
    if (known.most >= cap || known.mostEnd < cap) return Math.min(cap, known.mostEnd);
    let longest = 0;
    for (const target of known.targets) {
      if (longest < cap) longest = Math.max(longest, 1 + most(target, cap - 1));
    }
    if (longest < cap) known.mostEnd = longest;
    else if (visits <= MAX_VISITS) known.most = cap;
    return longest;
  }

  return {
    always(state) {
      visits = 0;
      return always(state, MAX_AHEAD);
    },
    most(state) {
      visits = 0;
      return most(state, MAX_AHEAD);
    },
  };
}
