import type { TokenBytes } from "./token-bytes.ts";

/**
 * Tokens as a tree of their bytes, whose nodes are looked into when somebody first comes by: a grammar leads to few
 * of them. A node stands for the tokens that begin alike, with one byte more than its parent's tokens at least. Node 0
 * is the root, which has all tokens.
 */
export interface TokenTree {
  readonly bytes: Uint8Array;
  /** [tokens + 1] where each token's bytes begin. */
  readonly offsets: Uint32Array;
  /** Those below a node lie together; those of the same bytes in the order of their numbers. */
  readonly tokens: Int32Array;
  /** [nodes] the byte that leads to a node from its parent. */
  readonly byte: Uint8Array;
  /** [nodes] a node's tokens: from `first` to before `last`. */
  readonly first: Int32Array;
  readonly last: Int32Array;
  /** [nodes] the least and the largest number of characters of its tokens. */
  readonly least: Uint16Array;
  readonly most: Uint16Array;
  /** [nodes] all its tokens have the bytes from `start` to before `end`, too; once it was looked into, like all below. */
  readonly start: Int32Array;
  readonly end: Int32Array;
  /** [nodes] how many of its tokens, the first ones, have no more bytes. */
  readonly own: Int32Array;
  /** [nodes] its children: from `child` to before `after`. */
  readonly child: Int32Array;
  readonly after: Int32Array;
  /** Look into a node: call it before reading what is below. */
  open(node: number): void;
}

/** Fewer tokens are sorted by comparing: to count their bytes would take longer. */
const FEW = 12;

/** The tree of some tokens, ascending; `chars` has the characters of each. It sorts `tokens` as it goes. */
export function createTokenTree(
  tokens: Int32Array,
  { bytes, offsets }: TokenBytes,
  chars: Uint16Array,
): TokenTree {
  // A node that has no token of its own has two children.
  const nodes = 2 * tokens.length + 1;
  const byte = new Uint8Array(nodes);
  const first = new Int32Array(nodes);
  const last = new Int32Array(nodes);
  const least = new Uint16Array(nodes);
  const most = new Uint16Array(nodes);
  const start = new Int32Array(nodes);
  const end = new Int32Array(nodes).fill(-1);
  const own = new Int32Array(nodes);
  const child = new Int32Array(nodes);
  const after = new Int32Array(nodes);
  let count = 0;
  /** What comes next in each token: a byte and 1, or 0 where nothing does. */
  const keys = new Uint16Array(tokens.length);
  const copy = new Int32Array(tokens.length);
  /** [257] of each key how many there are, then where the next goes; all 0 between two sorts. */
  const places = new Int32Array(257);
  add(0, tokens.length, 0, 0);

  /** A node below which tokens `from` to before `to` lie, which are alike up to byte `depth`. */
  function add(from: number, to: number, by: number, depth: number): void {
    let low = 0xffff;
    let high = 0;
    for (let i = from; i < to; i++) {
      const length = chars[tokens[i]!]!;
      if (length < low) low = length;
      if (length > high) high = length;
    }
    byte[count] = by;
    first[count] = from;
    last[count] = to;
    least[count] = low;
    most[count] = high;
    start[count++] = depth;
  }

  /** How many bytes tokens `from` to before `to` have in common, `depth` at least. */
  function common(from: number, to: number, depth: number): number {
    const one = offsets[tokens[from]!]!;
    let alike = offsets[tokens[from]! + 1]! - one;
    for (let i = from + 1; i < to && alike > depth; i++) {
      const other = offsets[tokens[i]!]!;
      const stop = Math.min(alike, offsets[tokens[i]! + 1]! - other);
      let at = depth;
      while (at < stop && bytes[one + at] === bytes[other + at]) at++;
      alike = at;
    }
    return alike;
  }

  /** Sort tokens `from` to before `to` by what comes next behind `depth` bytes, and set their `keys`. */
  function sort(from: number, to: number, depth: number): void {
    for (let i = from; i < to; i++) {
      const at = offsets[tokens[i]!]! + depth;
      keys[i] = at < offsets[tokens[i]! + 1]! ? bytes[at]! + 1 : 0;
    }
    if (to - from <= FEW) insert(from, to);
    else distribute(from, to);
  }

  function insert(from: number, to: number): void {
    for (let i = from + 1; i < to; i++) {
      const token = tokens[i]!;
      const key = keys[i]!;
      let place = i;
      for (; place > from && keys[place - 1]! > key; place--) {
        tokens[place] = tokens[place - 1]!;
        keys[place] = keys[place - 1]!;
      }
      tokens[place] = token;
      keys[place] = key;
    }
  }

  function distribute(from: number, to: number): void {
    for (let i = from; i < to; i++) {
      copy[i] = tokens[i]!;
      places[keys[i]!]!++;
    }
    let place = from;
    for (let key = 0; key < 257; key++) {
      const many = places[key]!;
      places[key] = place;
      place += many;
    }
    for (let i = from; i < to; i++) tokens[places[keys[i]!]!++] = copy[i]!;
    place = from;
    for (let key = 0; key < 257; key++) {
      const stop = places[key]!;
      places[key] = 0;
      while (place < stop) keys[place++] = key;
    }
  }

  function open(node: number): void {
    if (end[node]! >= 0) return;
    const [from, to] = [first[node]!, last[node]!];
    const depth = from === to ? 0 : common(from, to, start[node]!);
    end[node] = depth;
    sort(from, to, depth);
    let at = from;
    while (at < to && keys[at] === 0) at++;
    own[node] = at - from;
    child[node] = count;
    while (at < to) {
      const key = keys[at]!;
      const begin = at;
      while (at < to && keys[at] === key) at++;
      add(begin, at, key - 1, depth + 1);
    }
    after[node] = count;
  }

  const links = { start, end, own, child, after };
  return { bytes, offsets, tokens, byte, first, last, least, most, ...links, open };
}

/** Tokens that a text, from `from` on, begins with, and where each ends in it: shorter ones first. */
export function* tokensAt(
  tree: TokenTree,
  text: readonly number[],
  from: number,
): Generator<readonly [token: number, end: number]> {
  const { bytes, offsets, tokens, byte, first, start, end, own, child, after } = tree;
  for (let node = 0; node >= 0;) {
    tree.open(node);
    const begin = offsets[tokens[first[node]!]!]!;
    const stop = end[node]!;
    for (let at = start[node]!; at < stop; at++) {
      if (bytes[begin + at] !== text[from + at]) return;
    }
    for (let i = 0; i < own[node]!; i++) yield [tokens[first[node]! + i]!, from + stop];
    let next = -1;
    for (let one = child[node]!; one < after[node]! && next < 0; one++) {
      if (byte[one] === text[from + stop]) next = one;
    }
    node = next;
  }
}
