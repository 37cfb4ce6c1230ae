/**
 * The cache's blocks: who holds which is the holders' business, which are free is known here. A block may
 * have several holders, and one without any may keep its content until the room is needed. Pure.
 */
export interface KvBlocks {
  readonly total: number;
  /** Blocks that nobody holds, whether they keep something or not. */
  readonly free: number;
  /** Positions that fit into all blocks. */
  readonly capacity: number;
  /** Blocks that `positions` positions take up. */
  needed(positions: number): number;
  /** Extend `held` to hold `positions` positions. Takes nothing and says false where too few are free. */
  reserve(held: number[], positions: number): boolean;
  /** Extend `held` by a block that others may hold or that was kept. Throws `RangeError` for another. */
  share(held: number[], block: number): void;
  /** What a block in use holds is worth keeping when its last holder lets go. */
  keep(block: number): void;
  /** Empty `held`. Throws `RangeError` for a block that is not in use. */
  release(held: number[]): void;
}

/**
 * All blocks free.
 *
 * @param lost Told of each kept block whose content is given up, the one that was let go first.
 */
export function createKvBlocks(
  total: number,
  blockSize: number,
  lost: (block: number) => void = () => {},
): KvBlocks {
  // A stack: what was used last is used next, and may still be in a processor's cache.
  const empty: number[] = Array.from({ length: total }, (_, i) => total - 1 - i);
  const holders = new Uint32Array(total);
  const kept = new Uint8Array(total);
  /** Kept blocks without holders, in the order in which they were let go. */
  const idle = new Set<number>();

  const needed = (positions: number): number => Math.ceil(positions / blockSize);
  const free = (): number => empty.length + idle.size;

  function take(): number {
    const block = empty.pop();
    if (block !== undefined) return block;
    const [oldest] = idle;
    idle.delete(oldest!);
    kept[oldest!] = 0;
    lost(oldest!);
    return oldest!;
  }

  function reserve(held: number[], positions: number): boolean {
    const more = needed(positions) - held.length;
    if (more > free()) return false;
    for (let i = 0; i < more; i++) {
      const block = take();
      holders[block] = 1;
      held.push(block);
    }
    return true;
  }

  function share(held: number[], block: number): void {
    if (!idle.delete(block) && !(holders[block]! > 0)) {
      throw new RangeError(`Cannot share block ${block}: it is neither in use nor kept`);
    }
    holders[block]!++;
    held.push(block);
  }

  function release(held: number[]): void {
    // From the end: who looks for a beginning needs the first blocks most, so they go last.
    for (let block = held.pop(); block !== undefined; block = held.pop()) {
      if (!(holders[block]! > 0))
        throw new RangeError(`Cannot release block ${block}: it is not in use`);
      if (--holders[block]! > 0) continue;
      if (kept[block] === 1) idle.add(block);
      else empty.push(block);
    }
  }

  return {
    total,
    capacity: total * blockSize,
    get free() {
      return free();
    },
    needed,
    reserve,
    share,
    keep(block) {
      kept[block] = 1;
    },
    release,
  };
}
