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
  let bytes = new Uint8Array(USUAL_BYTES * size);
  let end = 0;
  for (let token = 0; token < size; token++) {
    const text = tokenizer.bytes(token);
    if (text.length === 0 && tokenizer.controlText(token) !== undefined) controls.push(token);
    if (end + text.length > bytes.length) bytes = larger(bytes, end + text.length);
    // A call that copies would take longer than these few bytes.
    for (let i = 0; i < text.length; i++) bytes[end++] = text[i]!;
    offsets[token + 1] = end;
  }
  let blank: number | undefined;
  for (let token = 0; token < size && blank === undefined; token++) {
    const at = offsets[token]!;
    if (offsets[token + 1] === at + 1 && bytes[at] === BLANK) blank = token;
  }
  const table = { size, bytes: bytes.slice(0, end), offsets, controls, blank };
  made.set(tokenizer, table);
  return table;
}

const BLANK = 0x20;

/** Bytes of a token that room is made for at first; real vocabularies have 6 to 8 on average. */
const USUAL_BYTES = 8;

/** The same in twice as much memory as is wanted now. */
function larger(bytes: Uint8Array<ArrayBuffer>, wanted: number): Uint8Array<ArrayBuffer> {
  const room = new Uint8Array(2 * wanted);
  room.set(bytes);
  return room;
}
