/** A vocabulary as grammars see it: the bytes of each token. */
import type { Tokenizer } from "../tokenizer/tokenizer.ts";

/** The bytes of all tokens, as plain data that crosses threads. */
export interface TokenBytes {
  /** Tokens are numbers below this. */
  readonly size: number;
  /** The bytes of all tokens, one after the other. */
  readonly bytes: Uint8Array;
  /** [size + 1] where each token's bytes begin. */
  readonly offsets: Uint32Array;
  /** Control tokens, ascending. They have no bytes. */
  readonly controls: readonly number[];
  /** The token that is a blank and nothing else. */
  readonly blank: number | undefined;
}

const made = new WeakMap<Tokenizer, TokenBytes>();

/** The bytes of a tokenizer's vocabulary; made once for each. */
export function tokenBytes(tokenizer: Tokenizer): TokenBytes {
  const known = made.get(tokenizer);
  if (known !== undefined) return known;
  const { vocabSize: size } = tokenizer;
  const offsets = new Uint32Array(size + 1);
  const controls: number[] = [];
  const texts: (Uint8Array | undefined)[] = [];
  for (let token = 0; token < size; token++) {
    const control = tokenizer.controlText(token) !== undefined;
    if (control) controls.push(token);
    const text = control ? undefined : tokenizer.bytes(token);
    texts.push(text);
    offsets[token + 1] = offsets[token]! + (text?.length ?? 0);
  }
  const bytes = new Uint8Array(offsets[size]!);
  for (const [token, text] of texts.entries()) {
    if (text !== undefined) bytes.set(text, offsets[token]);
  }
  let blank: number | undefined;
  for (let token = 0; token < size && blank === undefined; token++) {
    const at = offsets[token]!;
    if (offsets[token + 1] === at + 1 && bytes[at] === BLANK) blank = token;
  }
  const table = { size, bytes, offsets, controls, blank };
  made.set(tokenizer, table);
  return table;
}

/**
 * Tokens as a tree of their bytes, in the order of a walk: a node's subtree follows it. Plain tokens are whole
 * characters that may stand in a JSON string as they are, and there are far more of them than of others: what holds
 * for all texts of such characters need not be found out token by token.
 */
export interface TokenTree {
  readonly nodes: number;
  /** [nodes] */
  readonly byte: Uint8Array;
  /** [nodes] 1 for the root's children. */
  readonly depth: Uint16Array;
  /** [nodes] the node after the subtree. */
  readonly after: Int32Array;
  /** [nodes + 1] the tokens that end in each node: a range of `tokens`. */
  readonly ends: Int32Array;
  readonly tokens: Int32Array;
  /** [nodes] the least and the largest number of characters of tokens in the subtree; plain tokens only. */
  readonly least: Uint16Array;
  readonly most: Uint16Array;
  /** The deepest node's depth. */
  readonly height: number;
  /** [256] the root's child by its byte, -1 for none. */
  readonly roots: Int32Array;
}

/** The child of a node by its byte, -1 for none. */
export function childOf(
  { nodes, byte, depth, after }: TokenTree,
  node: number,
  at: number,
): number {
  const level = depth[node]! + 1;
  for (let child = node + 1; child < nodes && depth[child] === level; child = after[child]!) {
    if (byte[child] === at) return child;
  }
  return -1;
}

/** A vocabulary made ready for masks. */
export interface TokenIndex {
  readonly size: number;
  readonly controls: readonly number[];
  readonly plain: TokenTree;
  readonly other: TokenTree;
  /** [token] characters of a plain token, 0 for any other. */
  readonly chars: Uint16Array;
  /** The most characters that a plain token has. */
  readonly longest: number;
  /** The most bytes that any token has. */
  readonly mostBytes: number;
  /** Whether every byte of a text is a token, too. */
  readonly hasBytes: boolean;
  bytes(token: number): Uint8Array;
}

/** The bytes that UTF-8 uses. */
const TEXT_BYTES = Array.from({ length: 256 }, (_, byte) => byte).filter(
  (byte) => byte < 0xc0 || (byte > 0xc1 && byte < 0xf5),
);

const indexed = new WeakMap<TokenBytes, TokenIndex>();

/** The index of a vocabulary; made once for each. */
export function indexTokens(table: TokenBytes): TokenIndex {
  const known = indexed.get(table);
  if (known !== undefined) return known;
  const { size, offsets } = table;
  const bytes = (token: number): Uint8Array =>
    table.bytes.subarray(offsets[token], offsets[token + 1]);
  const chars = new Uint16Array(size);
  const plain: number[] = [];
  const other: number[] = [];
  const singles = new Set<number>();
  let longest = 0;
  for (let token = 0; token < size; token++) {
    const [from, to] = [offsets[token]!, offsets[token + 1]!];
    if (from === to) continue;
    if (to === from + 1) singles.add(table.bytes[from]!);
    chars[token] = countPlain(table.bytes, from, to);
    longest = Math.max(longest, chars[token]!);
    (chars[token] === 0 ? other : plain).push(token);
  }
  const plainTree = plant(plain, table, chars);
  const otherTree = plant(other, table, chars);
  const index = {
    size,
    controls: table.controls,
    plain: plainTree,
    other: otherTree,
    chars,
    longest,
    mostBytes: Math.max(plainTree.height, otherTree.height, 1),
    hasBytes: TEXT_BYTES.every((byte) => singles.has(byte)),
    bytes,
  };
  indexed.set(table, index);
  return index;
}

const BLANK = 0x20;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Characters of a text, or 0 where JSON would spell one in another way or one is not whole. */
function countPlain(bytes: Uint8Array, from: number, to: number): number {
  let count = 0;
  for (let at = from; at < to; count++) {
    const byte = bytes[at]!;
    if (byte < 0x20 || byte === QUOTE || byte === BACKSLASH) return 0;
    const length = charLength(bytes, at, to);
    if (length === 0) return 0;
    at += length;
  }
  return count;
}

/** Bytes of the character that begins at `at`, 0 where there is none (Unicode 15, table 3-7). */
function charLength(bytes: Uint8Array, at: number, to: number): number {
  const first = bytes[at]!;
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (at + length > to) return 0;
  const second = bytes[at + 1]!;
  const least = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const most = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  if (second < least || second > most) return 0;
  for (let i = 2; i < length; i++) {
    if (bytes[at + i]! < 0x80 || bytes[at + i]! > 0xbf) return 0;
  }
  return length;
}

/** Tokens in the order of their bytes, those of the same bytes in the order of their numbers. */
function sortTokens(tokens: readonly number[], { bytes, offsets }: TokenBytes): number[] {
  // A key is four bytes and the token, so that all but runs of equal beginnings are sorted as numbers: a call for each
  // comparison would take longer than all the rest.
  const TOKENS = 2 ** 21;
  const PREFIX = 4;
  const keys = new Float64Array(tokens.length);
  for (const [i, token] of tokens.entries()) {
    let key = 0;
    for (let at = offsets[token]!, end = at + PREFIX; at < end; at++) {
      key = key * 256 + (at < offsets[token + 1]! ? bytes[at]! : 0);
    }
    keys[i] = key * TOKENS + token;
  }
  keys.sort();
  const sorted = Array.from(keys, (key) => key % TOKENS);
  const compare = (a: number, b: number): number => {
    const from = offsets[a]!;
    const [length, other] = [offsets[a + 1]! - from, offsets[b + 1]! - offsets[b]!];
    for (let i = 0; i < Math.min(length, other); i++) {
      const difference = bytes[from + i]! - bytes[offsets[b]! + i]!;
      if (difference !== 0) return difference;
    }
    return length - other || a - b;
  };
  for (let from = 0; from < sorted.length;) {
    const prefix = Math.floor(keys[from]! / TOKENS);
    let to = from + 1;
    while (to < sorted.length && Math.floor(keys[to]! / TOKENS) === prefix) to++;
    if (to > from + 1) {
      const run = sorted.slice(from, to).toSorted(compare);
      for (const [i, token] of run.entries()) sorted[from + i] = token;
    }
    from = to;
  }
  return sorted;
}

function plant(tokens: readonly number[], table: TokenBytes, chars: Uint16Array): TokenTree {
  const { bytes, offsets } = table;
  const byte: number[] = [];
  const depth: number[] = [];
  const ends: number[] = [];
  const order: number[] = [];
  let [last, lastLength] = [0, 0];
  let height = 0;
  for (const token of sortTokens(tokens, table)) {
    const from = offsets[token]!;
    const length = offsets[token + 1]! - from;
    const most = Math.min(length, lastLength);
    let common = 0;
    while (common < most && bytes[last + common] === bytes[from + common]) common++;
    for (let i = common; i < length; i++) {
      byte.push(bytes[from + i]!);
      depth.push(i + 1);
      ends.push(order.length);
    }
    height = Math.max(height, length);
    order.push(token);
    [last, lastLength] = [from, length];
  }
  ends.push(order.length);
  const nodes = byte.length;
  const after = new Int32Array(nodes).fill(nodes);
  const least = new Uint16Array(nodes).fill(0xffff);
  const most = new Uint16Array(nodes);
  const open: number[] = [];
  const close = (node: number, at: number): void => {
    after[node] = at;
    const parent = open.at(-1);
    if (parent === undefined) return;
    least[parent] = Math.min(least[parent]!, least[node]!);
    most[parent] = Math.max(most[parent]!, most[node]!);
  };
  const closeTo = (level: number, at: number): void => {
    while (open.length > 0 && depth[open.at(-1)!]! >= level) close(open.pop()!, at);
  };
  for (let node = 0; node < nodes; node++) {
    closeTo(depth[node]!, node);
    open.push(node);
    // A node's own tokens end before the next node's path begins.
    for (let i = ends[node]!; i < ends[node + 1]!; i++) {
      const count = chars[order[i]!]!;
      least[node] = Math.min(least[node]!, count);
      most[node] = Math.max(most[node]!, count);
    }
  }
  closeTo(0, nodes);
  const roots = new Int32Array(256).fill(-1);
  for (let node = 0; node < nodes; node = after[node]!) roots[byte[node]!] = node;
  return {
    nodes,
    byte: Uint8Array.from(byte),
    depth: Uint16Array.from(depth),
    after,
    ends: Int32Array.from(ends),
    tokens: Int32Array.from(order),
    least,
    most,
    height,
    roots,
  };
}
