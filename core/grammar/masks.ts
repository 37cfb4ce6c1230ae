/** Which tokens of a vocabulary may follow a state: as bits, bit `token % 32` of word `token / 32`. */
import type { Automaton, State } from "./automaton.ts";
import { FIRST_CONTROL } from "./grammar.ts";
import { MAX_MASK_BYTES } from "./limits.ts";
import { createLookahead, MAX_AHEAD } from "./lookahead.ts";
import type { TokenTree } from "./token-tree.ts";
import type { TokenIndex } from "./token-index.ts";

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
  /** Nodes of a tree to go on with, and where each has led. */
  const nodes: number[] = [];
  const states: State[] = [];
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
    const { bytes, offsets, tokens, byte, first, least, most: largest } = tree;
    const { start, end, own, child, after } = tree;
    const { classes } = automaton;
    const { chars } = index;
    nodes[0] = 0;
    states[0] = from;
    for (let waiting = 1; waiting > 0;) {
      const node = nodes[--waiting]!;
      tree.open(node);
      const begin = first[node]!;
      const spelling = offsets[tokens[begin]!]!;
      let state: State | null = states[waiting]!;
      for (let at = start[node]!; at < end[node]! && state !== null; at++) {
        const label = classes[bytes[spelling + at]!]!;
        const next: State | null | undefined = state.next[label];
        state = next === undefined ? automaton.step(state, label) : next;
      }
      if (state === null) continue;
      for (let i = begin; i < begin + own[node]!; i++) {
        const token = tokens[i]!;
        if (chars[token]! > above && chars[token]! <= most) allow(mask, token);
      }
      for (let one = child[node]!; one < after[node]!; one++) {
        if (largest[one]! <= above || least[one]! > most) continue;
        const label = classes[byte[one]!]!;
        let next = state.next[label];
        if (next === undefined) next = automaton.step(state, label);
        if (next === null) continue;
        nodes[waiting] = one;
        states[waiting++] = next;
      }
    }
    states.length = 0;
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
  const made = Array.from({ length: MAX_AHEAD + 1 }, () => new Uint32Array(maskWords(size)));
  for (let token = 0; token < size; token++) {
    const count = chars[token]!;
    if (count > 0 && count <= MAX_AHEAD) allow(made[count]!, token);
  }
  // Each has those of fewer characters as well.
  for (let count = 1; count <= MAX_AHEAD; count++) {
    const [fewer, own] = [made[count - 1]!, made[count]!];
    for (let word = 0; word < own.length; word++) own[word]! |= fewer[word]!;
  }
  shorts.set(index, made);
  return made;
}
