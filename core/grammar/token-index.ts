/** What masks ask about a vocabulary. */
import type { TokenBytes } from "./token-bytes.ts";
import { createTokenTree, type TokenTree } from "./token-tree.ts";

/** A vocabulary made ready for masks. */
export interface TokenIndex {
  readonly size: number;
  readonly controls: readonly number[];
  /**
   * Tokens of whole characters that may stand in a JSON string as they are, and all others, which are far fewer: what
   * holds for all texts of such characters need not be found out token by token.
   */
  readonly plain: TokenTree;
  readonly other: TokenTree;
  /** [token] characters of a plain token, 0 for any other. */
  readonly chars: Uint16Array;
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
  const plain = new Int32Array(size);
  const other = new Int32Array(size);
  let plains = 0;
  let others = 0;
  let mostBytes = 1;
  const single = new Uint8Array(256);
  for (let token = 0; token < size; token++) {
    const from = offsets[token]!;
    const to = offsets[token + 1]!;
    if (from === to) continue;
    if (to === from + 1) single[table.bytes[from]!] = 1;
    if (to - from > mostBytes) mostBytes = to - from;
    const count = countPlain(table.bytes, from, to);
    chars[token] = count;
    if (count === 0) other[others++] = token;
    else plain[plains++] = token;
  }
  const index = {
    size,
    controls: table.controls,
    plain: createTokenTree(plain.subarray(0, plains), table, chars),
    other: createTokenTree(other.subarray(0, others), table, chars),
    chars,
    mostBytes,
    hasBytes: TEXT_BYTES.every((byte) => single[byte] === 1),
    bytes,
  };
  indexed.set(table, index);
  return index;
}

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
