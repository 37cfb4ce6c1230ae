import { MAX_HEADER_BYTES } from "./limits.ts";
import { malformed } from "./problem.ts";
import type { ByteSource } from "./source.ts";
import { decodeLeniently, decodeRun, decodeStrictly, measureRun } from "./text-run.ts";

/** Bytes fetched at a time, so that a header costs a handful of reads and not one per field. */
const CHUNK_BYTES = 256 * 1024;

/**
 * Reads a header from front to back through a buffer.
 *
 * Every read is preceded by `ready(n)`, which is synchronous, and where that says no by `fill(n)`:
 * awaiting each of a million fields would take longer than reading them.
 */
export interface Cursor {
  /** Name of the file, for errors. */
  readonly file: string;
  /** Offset in the file of the next byte. */
  position(): number;
  /** Throws `MODEL_MALFORMED`, naming `what` needs them, unless the next `bytes` bytes exist. */
  checkExists(bytes: number, what: () => string): void;
  /** Whether the next `bytes` bytes can be read at once. */
  ready(bytes: number): boolean;
  /** Bring the next `bytes` bytes in. Rejects with `MODEL_MALFORMED` when the file has no more. */
  fill(bytes: number): Promise<void>;
  /** Copy the next bytes, however many. */
  copy(into: Uint8Array): Promise<void>;
  u8(): number;
  i8(): number;
  u16(): number;
  i16(): number;
  u32(): number;
  i32(): number;
  f32(): number;
  f64(): number;
  /** Throws `MODEL_MALFORMED` beyond 2^53. */
  u64(): number;
  /** Throws `MODEL_MALFORMED` beyond ±2^53. */
  i64(): number;
  /** The next bytes as UTF-8; what is not becomes U+FFFD. */
  text(bytes: number): string;
  /** The next bytes as UTF-8, or `undefined` where they are not. */
  strictText(bytes: number): string | undefined;
  /** Append the next strings, each with its length before it: at most `most`, and only buffered ones. */
  texts(most: number, into: string[]): void;
  /** Pass over what `texts` would append, and give their number. */
  skipTexts(most: number): number;
}

/** A cursor at the first byte of `source`. */
export function createCursor(source: ByteSource): Cursor {
  const end = Math.min(source.size, MAX_HEADER_BYTES);
  let buffer = new Uint8Array(Math.min(CHUNK_BYTES, end));
  let view = new DataView(buffer.buffer);
  /** Offset in the file of the buffer's first byte. */
  let base = 0;
  /** The bytes [at, filled) of the buffer are still to be read. */
  let at = 0;
  let filled = 0;

  const advance = (bytes: number): number => {
    const from = at;
    at += bytes;
    return from;
  };
  const checkExists = (bytes: number, what: () => string): void => {
    if (bytes <= end - base - at) return;
    const most =
      end === source.size ? `the file ends at ${end}` : `a header ends by ${MAX_HEADER_BYTES}`;
    throw malformed(
      source.name,
      `${what()} needs ${bytes} bytes from byte ${base + at} on: ${most}`,
    );
  };
  const wide = (low: number, high: number): number => {
    const value = high * 2 ** 32 + low;
    if (Number.isSafeInteger(value)) return value;
    throw malformed(source.name, `${value} before byte ${base + at} is beyond 2^53`);
  };

  return {
    file: source.name,
    position: () => base + at,
    checkExists,
    ready: (bytes) => bytes <= filled - at,
    async fill(bytes) {
      checkExists(bytes, () => "its header");
      const kept = buffer.subarray(at, filled);
      if (bytes > buffer.byteLength) {
        buffer = new Uint8Array(bytes);
        view = new DataView(buffer.buffer);
      }
      buffer.set(kept);
      base += at;
      at = 0;
      filled = kept.byteLength;
      const fetched = Math.min(buffer.byteLength - filled, end - base - filled);
      await source.read(base + filled, buffer.subarray(filled, filled + fetched));
      filled += fetched;
    },
    async copy(into) {
      checkExists(into.byteLength, () => "its header");
      const buffered = Math.min(into.byteLength, filled - at);
      into.set(buffer.subarray(at, at + buffered));
      at += buffered;
      if (buffered === into.byteLength) return;
      await source.read(base + at, into.subarray(buffered));
      base += at + into.byteLength - buffered;
      at = 0;
      filled = 0;
    },
    u8: () => view.getUint8(advance(1)),
    i8: () => view.getInt8(advance(1)),
    u16: () => view.getUint16(advance(2), true),
    i16: () => view.getInt16(advance(2), true),
    u32: () => view.getUint32(advance(4), true),
    i32: () => view.getInt32(advance(4), true),
    f32: () => view.getFloat32(advance(4), true),
    f64: () => view.getFloat64(advance(8), true),
    u64() {
      const from = advance(8);
      return wide(view.getUint32(from, true), view.getUint32(from + 4, true));
    },
    i64() {
      const from = advance(8);
      return wide(view.getUint32(from, true), view.getInt32(from + 4, true));
    },
    text(bytes) {
      const from = advance(bytes);
      return decodeLeniently(buffer.subarray(from, from + bytes));
    },
    strictText(bytes) {
      const from = advance(bytes);
      return decodeStrictly(buffer.subarray(from, from + bytes));
    },
    texts(most, into) {
      at = decodeRun(buffer, at, filled, most, into);
    },
    skipTexts(most) {
      const { count, end: behind } = measureRun(buffer, at, filled, most);
      at = behind;
      return count;
    },
  };
}
