/** Which tokens of a vocabulary may follow a state: as bits, bit `token % 32` of word `token / 32`. */
import type { Automaton, State } from "./automaton.ts";
import { FIRST_CONTROL } from "./grammar.ts";
import { MAX_MASK_BYTES } from "./limits.ts";
import { createLookahead, MAX_AHEAD } from "./lookahead.ts";
import type { TokenIndex, TokenTree } from "./vocabulary.ts";

/** Masks of one automaton over one vocabulary. */
export interface Masks {
  /** The mask of a state, without tokens that end the answer. Not to be changed. */
  of(state: State): Uint32Array;
}

/** Whether a mask has a token. */
export function isAllowed(mask: Uint32Array, token: number): boolean {
  return ((mask[token >>> 5]! >>> (token & 31)) & 1) === 1;
}

/** Add a token to a mask. */
export function allow(mask: Uint32Array, token: number): void {
  mask[token >>> 5]! |= 1 << (token & 31);
}

/** Take a token out of a mask. */
export function forbid(mask: Uint32Array, token: number): void {
  mask[token >>> 5]! &= ~(1 << (token & 31));
}

/** Words of a mask. */
export function maskWords(size: number): number {
  return Math.ceil(size / 32);
}

/** The lowest token of a mask, or -1. */
export function firstAllowed(mask: Uint32Array): number {
  const word = mask.findIndex((bits) => bits !== 0);
  return word < 0 ? -1 : 32 * word + (31 - Math.clz32(mask[word]! & -mask[word]!));
}

/** Masks that are kept in the states they belong to, until they fill {@linkcode MAX_MASK_BYTES}. */
export function createMasks(automaton: Automaton, index: TokenIndex): Masks {
  const words = maskWords(index.size);
  const lookahead = createLookahead(automaton);
  const path: State[] = [];
  const short = shortTokens(index);
  const others = new Uint32Array(words);
  for (const token of index.controls) {
    if (!automaton.controls.includes(token)) allow(others, token);
  }
  let kept: State[] = [];
  automaton.onForget = drop;

  function drop(): void {
    for (const state of kept) state.mask = undefined;
    kept = [];
  }

  /** Add the tokens of a tree that fit, among those with more than `above` and no more than `most` characters. */
  function walk(
    tree: TokenTree,
    from: State,
    mask: Uint32Array,
    above: number,
    most: number,
  ): void {
    const { nodes, byte, depth, after, ends, tokens, least, most: largest } = tree;
    const { classes } = automaton;
    const { chars } = index;
    path[0] = from;
    for (let node = 0; node < nodes;) {
      if (largest[node]! <= above || least[node]! > most) {
        node = after[node]!;
        continue;
      }
      const at = path[depth[node]! - 1]!;
      const label = classes[byte[node]!]!;
      let next = at.next[label];
      if (next === undefined) next = automaton.step(at, label);
      if (next === null) {
        node = after[node]!;
        continue;
      }
      for (let i = ends[node]!; i < ends[node + 1]!; i++) {
        const token = tokens[i]!;
        if (chars[token]! > above && chars[token]! <= most) allow(mask, token);
      }
      path[depth[node]!] = next;
      node++;
    }
  }

  function compute(state: State): Uint32Array {
    const always = lookahead.always(state);
    const mask = short[always]!.slice();
    const most = lookahead.most(state);
    const end = most === MAX_AHEAD ? Infinity : most;
    if (end > always) walk(index.plain, state, mask, always, end);
    // Their characters are not counted: all have 0.
    walk(index.other, state, mask, -1, Infinity);
    for (let i = 0; i <= automaton.controls.length; i++) {
      const label = automaton.classes[FIRST_CONTROL + i]!;
      if (automaton.step(state, label) === null) continue;
      const token = automaton.controls[i];
      if (token !== undefined) allow(mask, token);
      else for (let word = 0; word < words; word++) mask[word]! |= others[word]!;
    }
    return mask;
  }

  return {
    of(state) {
      if (state.mask !== undefined) return state.mask;
      automaton.allow();
      const mask = compute(state);
      if (kept.length * words * 4 >= MAX_MASK_BYTES) drop();
      kept.push(state);
      state.mask = mask;
      return mask;
    },
  };
}

const shorts = new WeakMap<TokenIndex, readonly Uint32Array[]>();

/** [count] the plain tokens of at most so many characters. */
function shortTokens(index: TokenIndex): readonly Uint32Array[] {
  const known = shorts.get(index);
  if (known !== undefined) return known;
  const { size, chars } = index;
  const made = Array.from({ length: MAX_AHEAD + 1 }, (_, count) => {
    const mask = new Uint32Array(maskWords(size));
    for (let token = 0; token < size; token++) {
      if (chars[token]! > 0 && chars[token]! <= count) allow(mask, token);
    }
    return mask;
  });
  shorts.set(index, made);
  return made;
}
