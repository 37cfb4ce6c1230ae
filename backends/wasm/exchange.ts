import type { Arena } from "./arena.ts";
import { HOME } from "./tensors.ts";

/** A first region in a memory for what is brought: larger operations take another one. */
const FIRST_BYTES = 2 ** 16;

/** Offsets that kernels read are multiples of a vector. */
const ALIGNMENT = 16;

/** What an operation wrote elsewhere and has to come home: rows of `width` bytes, `stride` bytes apart there. */
interface Result {
  readonly memory: number;
  readonly from: number;
  readonly to: number;
  readonly rows: number;
  readonly width: number;
  readonly stride: number;
}

/**
 * Copies between the home memory and others, for operations whose weights or cache are there: a kernel sees one
 * memory only. What goes over is rows of activations, small beside the weights that a kernel reads for them.
 */
export interface Exchange {
  /** An operation begins: all that was handed out before is free. */
  begin(): void;
  /** Where in `memory` the bytes are that lie at `offset` at home: a copy, unless that is home. */
  bring(memory: number, offset: number, bytes: number): number;
  /** Room for so many bytes. */
  room(memory: number, bytes: number): number;
  /**
   * Room for rows of `width` bytes without a gap, which {@linkcode fetch} copies to `to` at home, where they begin
   * `stride` bytes apart.
   */
  result(memory: number, to: number, rows: number, width: number, stride: number): number;
  /** The same for rows that are copied to a place each. */
  scattered(memory: number, places: readonly number[], width: number): number;
  /** Copy all results home. */
  fetch(): void;
}

/** Over these memories, the home one first. `take` gives bytes of a memory that stay taken. */
export function createExchange(
  arenas: readonly Arena[],
  take: (memory: number, bytes: number) => number,
): Exchange {
  const regions = arenas.map(() => ({ start: 0, bytes: 0, used: 0 }));
  const results: Result[] = [];

  const room = (memory: number, bytes: number): number => {
    const region = regions[memory]!;
    const needed = Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
    if (region.used + needed > region.bytes) {
      // Doubling bounds what is left behind by what is in use.
      region.bytes = Math.max(needed, 2 * region.bytes, FIRST_BYTES);
      region.start = take(memory, region.bytes);
      region.used = 0;
    }
    const at = region.start + region.used;
    region.used += needed;
    return at;
  };
  const copy = (to: number, toMemory: number, from: number, memory: number, bytes: number): void =>
    arenas[toMemory]!.put(to, arenas[memory]!.get(from, bytes / 4));

  return {
    begin() {
      results.length = 0;
      for (const region of regions) region.used = 0;
    },
    room,
    bring(memory, offset, bytes) {
      if (memory === HOME) return offset;
      const at = room(memory, bytes);
      copy(at, memory, offset, HOME, bytes);
      return at;
    },
    result(memory, to, rows, width, stride) {
      const from = room(memory, rows * width);
      results.push({ memory, from, to, rows, width, stride });
      return from;
    },
    scattered(memory, places, width) {
      const first = room(memory, places.length * width);
      for (const [i, to] of places.entries()) {
        const from = first + i * width;
        results.push({ memory, from, to, rows: 1, width, stride: width });
      }
      return first;
    },
    fetch() {
      for (const { memory, from, to, rows, width, stride } of results) {
        if (width === stride) {
          copy(to, HOME, from, memory, rows * width);
          continue;
        }
        for (let row = 0; row < rows; row++) {
          copy(to + row * stride, HOME, from + row * width, memory, width);
        }
      }
      results.length = 0;
    },
  };
}
