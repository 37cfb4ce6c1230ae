import { OutOfMemoryError } from "../../core/errors.ts";
import { MAX_PAGES, PAGE } from "./kernels.ts";

/** Every allocation starts on a cache line. */
const ALIGNMENT = 64;

/**
 * Memory grows by at least this part of itself: each growth is a system call of a tenth of a millisecond,
 * and V8 answers some with a garbage collection. Pages that nothing has touched take no room.
 */
const GROWTH = 4;

/** Hands out linear memory in ascending order; nothing is given back before the whole is dropped. */
export interface Arena {
  /** Bytes taken so far. */
  readonly used: number;
  /** Offset of `bytes` zeroed bytes. Throws `RangeError` when 4 GiB are not enough. */
  take(label: string, bytes: number): number;
  /** Copy numbers in. */
  put(offset: number, values: Uint32Array | Float32Array): void;
  /** `length` floats, in place or copied: valid until a kernel runs, and the caller's to overwrite. */
  get(offset: number, length: number): Float32Array;
  /** Have `read` fill `bytes` bytes. */
  fill(offset: number, bytes: number, read: (into: Uint8Array) => Promise<void>): Promise<void>;
  /** Make whole numbers of four bytes zero. */
  clear(offset: number, bytes: number): void;
  /** Copy whole numbers of four bytes from one place to another. */
  move(to: number, from: number, bytes: number): void;
}

/** An arena over a memory that JavaScript sees. */
export interface LocalArena extends Arena {
  /** The whole memory, as it is now: growth makes these views anew. */
  readonly words: Uint32Array;
  readonly floats: Float32Array;
  f32(offset: number, length: number): Float32Array;
  u8(offset: number, length: number): Uint8Array;
}

/** An arena over `memory` from `base` on. */
export function createArena(memory: WebAssembly.Memory, base: number): LocalArena {
  let next = align(base);
  let words = new Uint32Array(memory.buffer);
  let floats = new Float32Array(memory.buffer);

  const grow = (label: string, bytes: number, end: number): void => {
    if (end > MAX_PAGES * PAGE) throw tooLarge(label, bytes, next);
    const missing = Math.ceil((end - words.byteLength) / PAGE);
    const ahead = Math.floor(words.byteLength / PAGE / GROWTH);
    const room = MAX_PAGES - words.byteLength / PAGE;
    const generous = Math.min(Math.max(missing, ahead), room);
    if (!grown(memory, generous) && !grown(memory, missing)) throw tooLarge(label, bytes, next);
    words = new Uint32Array(memory.buffer);
    floats = new Float32Array(memory.buffer);
  };

  return {
    get used() {
      return next;
    },
    take(label, bytes) {
      const offset = next;
      const end = align(offset + bytes);
      if (end > words.byteLength) grow(label, bytes, end);
      next = end;
      return offset;
    },
    put: (offset, values) => {
      (values instanceof Uint32Array ? words : floats).set(values, offset / 4);
    },
    get: (offset, length) => floats.subarray(offset / 4, offset / 4 + length),
    fill: (offset, bytes, read) => read(new Uint8Array(memory.buffer, offset, bytes)),
    clear: (offset, bytes) => {
      words.fill(0, offset / 4, (offset + bytes) / 4);
    },
    move: (to, from, bytes) => {
      words.copyWithin(to / 4, from / 4, (from + bytes) / 4);
    },
    get words() {
      return words;
    },
    get floats() {
      return floats;
    },
    f32: (offset, length) => new Float32Array(memory.buffer, offset, length),
    u8: (offset, length) => new Uint8Array(memory.buffer, offset, length),
  };
}

/** Whether the machine gave so many pages more. */
function grown(memory: WebAssembly.Memory, pages: number): boolean {
  try {
    memory.grow(pages);
    return true;
  } catch {
    return false;
  }
}

/** The next offset that an allocation may start at. */
export function align(offset: number): number {
  return Math.ceil(offset / ALIGNMENT) * ALIGNMENT;
}

/** The error of an allocation that does not fit. */
export function tooLarge(label: string, bytes: number, used: number): RangeError {
  return new OutOfMemoryError(
    `Cannot allocate ${bytes} bytes for "${label}": ${used} are in use, and wasm32 or the machine has no more. ` +
      "Use a smaller context, fewer sequences or a smaller quantisation",
  );
}
