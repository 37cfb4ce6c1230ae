/** Scratch that grows to the largest size asked for and is then reused by every step. */
export interface Scratch {
  /** Offset of at least `bytes` bytes. */
  at(bytes: number): number;
}

/** Scratch from `take`, which gives memory that stays. */
export function createScratch(take: (bytes: number) => number): Scratch {
  let offset = 0;
  let size = 0;
  return {
    at(bytes) {
      if (bytes > size) {
        // Doubling bounds what is left behind by what is in use.
        size = Math.max(bytes, 2 * size);
        offset = take(size);
      }
      return offset;
    },
  };
}
