/**
 * What the threads of a pool tell each other: words of one SharedArrayBuffer, those that different
 * threads write on cache lines of their own.
 *
 * The leader describes a region, then sets TICKET to its number and its count of chunks. Whoever lowers
 * the count from c to c - 1 by compare-and-exchange owns chunk c - 1. A description is read after a chunk
 * is owned and rewritten only when all chunks are done, so it is never read while it changes; and a
 * thread that was away meanwhile cannot take a chunk of another region for one of its own, as the number
 * of the region is in the same word.
 */

/** Region number above, chunks not yet taken below. */
export const TICKET = 0;
/** Chunks of the region that are done. */
export const DONE = 16;
/** 1 while the leader sleeps on DONE. */
export const LEADER_SLEEPS = 32;
/** Members asleep on TICKET. */
export const SLEEPERS = 48;
/** How many members may take part; the others sleep on this word. */
export const ACTIVE = 64;
/** Members that have stopped because a kernel trapped. */
export const FAILED = 80;
/** 1 when members are to end. */
export const STOP = 81;
/** The description: number of parts, then the parts. */
export const REGION = 96;

/** Bits of TICKET that count chunks. */
const CHUNK_BITS = 12;
/** Also the most chunks that a region may have. */
export const CHUNK_MASK: number = 2 ** CHUNK_BITS - 1;

/** What is added to TICKET to go on to the next region; it wraps around, which takes minutes. */
export const NEXT_REGION: number = 2 ** CHUNK_BITS;

/**
 * Words of a part: its first chunk, units, units of a chunk, number of steps, the memory it is in, three times kernel
 * and arguments.
 */
export const PART = {
  firstChunk: 0,
  units: 1,
  grain: 2,
  steps: 3,
  memory: 4,
  kernels: 5,
  words: 11,
} as const;

/** Parts of a region: one for each sequence of a large batch. */
export const MAX_PARTS = 256;

/** Bytes of the shared buffer. */
export const CONTROL_BYTES: number = 4 * (REGION + 1 + MAX_PARTS * PART.words);
