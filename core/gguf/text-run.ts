/** Decoding a run of short strings at once: one call of `TextDecoder` costs more than most tokens do. */

// A byte order mark is a token of some vocabularies, not a signature to drop.
const lenient = new TextDecoder("utf-8", { ignoreBOM: true });
const strict = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

/** Bytes of a GGUF string's length. */
const LENGTH_BYTES = 8;

/**
 * Appends to `into` the GGUF strings (a length of 64 bits, then as many bytes) that begin at `from`:
 * at most `most` of them, and only those that end by `to`. Gives the offset behind the last one.
 * What is not UTF-8 becomes U+FFFD, string by string.
 */
export function decodeRun(
  bytes: Uint8Array,
  from: number,
  to: number,
  most: number,
  into: string[],
): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const last = measureRun(bytes, from, to, most).end;
  // The strings without the lengths between them, and where each ends in the text they make together.
  // Sized by what is taken, not by what is there: a header may hold thousands of short runs.
  const joined = new Uint8Array(last - from);
  const ends: number[] = [];
  let joinedLength = 0;
  let units = 0;
  let splits = false;
  for (let at = from; at < last;) {
    const start = at + LENGTH_BYTES;
    at = start + view.getUint32(at, true);
    if (at > start && isContinuation(bytes[start]!)) splits = true;
    for (let i = start; i < at; i++) {
      const byte = bytes[i]!;
      joined[joinedLength++] = byte;
      // A character of four bytes takes two UTF-16 units, any other takes one.
      if (!isContinuation(byte)) units += byte >= 0xf0 ? 2 : 1;
    }
    ends.push(units);
  }

  // If the whole is UTF-8 and no string begins within a character, each string is UTF-8 by itself, and
  // then the units were counted rightly.
  const text = splits ? undefined : decodeStrictly(joined.subarray(0, joinedLength));
  if (text === undefined) {
    decodeEach(bytes, view, from, last, into);
    return last;
  }
  let start = 0;
  for (const end of ends) {
    into.push(text.slice(start, end));
    start = end;
  }
  return last;
}

/** How many of the strings of {@linkcode decodeRun} there are, and the offset behind the last one. */
export function measureRun(
  bytes: Uint8Array,
  from: number,
  to: number,
  most: number,
): { readonly count: number; readonly end: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  let at = from;
  let count = 0;
  for (; count < most && at + LENGTH_BYTES <= to; count++) {
    const start = at + LENGTH_BYTES;
    const length = view.getUint32(at, true);
    // Anything longer than what is here, hostile lengths too, is left to the caller.
    if (view.getUint32(at + 4, true) !== 0 || length > to - start) break;
    at = start + length;
  }
  return { count, end: at };
}

/** The bytes as UTF-8; what is not becomes U+FFFD. */
export function decodeLeniently(bytes: Uint8Array): string {
  return lenient.decode(bytes);
}

/** The bytes as UTF-8, or `undefined` where they are not. */
export function decodeStrictly(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}

function decodeEach(
  bytes: Uint8Array,
  view: DataView,
  from: number,
  to: number,
  into: string[],
): void {
  let at = from;
  while (at < to) {
    const start = at + LENGTH_BYTES;
    const end = start + view.getUint32(at, true);
    into.push(decodeLeniently(bytes.subarray(start, end)));
    at = end;
  }
}

function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}
