import { CHUNK_MASK, MAX_PARTS } from "./control.ts";

/** A region as far as sharing it goes; one object serves all regions. */
export interface Division {
  parts: number;
  /** [parts] */
  readonly units: Int32Array;
  /** [parts] nanoseconds of work of a unit, roughly; above 0. */
  readonly costs: Float64Array;
  /** [parts] units of a chunk: what {@linkcode divide} finds. */
  readonly grains: Int32Array;
}

/** A division with room for every region. */
export function createDivision(): Division {
  return {
    parts: 0,
    units: new Int32Array(MAX_PARTS),
    costs: new Float64Array(MAX_PARTS),
    grains: new Int32Array(MAX_PARTS),
  };
}

/** A chunk of less, as a share of what is worth sharing, is not worth taking; one of more leaves a thread waiting for the last. */
const LEAST_CHUNK = 1.5;
const MOST_CHUNK_NS = 60_000;

/** Chunks for each thread, so that one that was held up leaves its share to the others. */
const CHUNKS_PER_THREAD = 2;

/**
 * Find the grains with which `threads` share a region, where work from `leastShared` nanoseconds on is worth sharing:
 * chunks are about equal and as many for each thread, so that all end together when none is held up. There are
 * {@linkcode CHUNK_MASK} of them at most.
 */
export function divide(region: Division, threads: number, leastShared: number): void {
  const { parts, units, costs, grains } = region;
  let cost = 0;
  for (let i = 0; i < parts; i++) cost += units[i]! * costs[i]!;
  if (cost === 0) {
    grains.fill(1, 0, parts);
    return;
  }
  const share = cost / (threads * CHUNKS_PER_THREAD);
  const goal = Math.min(Math.max(share, LEAST_CHUNK * leastShared), MOST_CHUNK_NS);
  // Rounding may give each part one chunk more, and making them as many for each thread one for each of those, twice.
  const most = CHUNK_MASK - parts - 2 * threads;
  const count = evenly(Math.min(Math.ceil(cost / goal), most), threads);
  let total = 0;
  let largest = 0;
  for (let i = 0; i < parts; i++) {
    const pieces = Math.round((count * units[i]! * costs[i]!) / cost);
    // Until all are known, the number of chunks.
    grains[i] = Math.max(1, Math.min(units[i]!, pieces));
    total += grains[i]!;
    if (units[i]! * costs[i]! > units[largest]! * costs[largest]!) largest = i;
  }
  grains[largest]! += evenly(total, threads) - total;
  for (let i = 0; i < parts; i++) grains[i] = Math.max(1, Math.ceil(units[i]! / grains[i]!));
}

/** As many for each thread, and not fewer; no more than threads are left as they are. */
function evenly(count: number, threads: number): number {
  return count <= threads ? count : Math.ceil(count / threads) * threads;
}
