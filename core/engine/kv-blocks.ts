/** The cache's blocks: who holds which is the holder's business, which are free is known here. Pure. */
export interface KvBlocks {
  readonly total: number;
  readonly free: number;
  /** Positions that fit into all blocks. */
  readonly capacity: number;
  /** Blocks that `positions` positions take up. */
  needed(positions: number): number;
  /** Extend `held` to hold `positions` positions. Takes nothing and says false where too few are free. */
  reserve(held: number[], positions: number): boolean;
  /** Empty `held` and make its blocks free. Throws `RangeError` for a block that is not in use. */
  release(held: number[]): void;
}

/** All blocks free. */
export function createKvBlocks(total: number, blockSize: number): KvBlocks {
  // A stack: what was used last is used next, and may still be in a processor's cache.
  const free: number[] = Array.from({ length: total }, (_, i) => total - 1 - i);
  const used = new Uint8Array(total);

  const needed = (positions: number): number => Math.ceil(positions / blockSize);

  function reserve(held: number[], positions: number): boolean {
    const more = needed(positions) - held.length;
    if (more > free.length) return false;
    for (let i = 0; i < more; i++) {
      const block = free.pop()!;
      used[block] = 1;
      held.push(block);
    }
    return true;
  }

  function release(held: number[]): void {
    for (let block = held.pop(); block !== undefined; block = held.pop()) {
      if (used[block] !== 1)
        throw new RangeError(`Cannot release block ${block}: it is not in use`);
      used[block] = 0;
      free.push(block);
    }
  }

  return {
    total,
    capacity: total * blockSize,
    get free() {
      return free.length;
    },
    needed,
    reserve,
    release,
  };
}
