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
  /**
   * Extend what `tenant` holds to `positions` positions. Takes nothing and says false where too few are free.
   */
  reserve(held: number[], positions: number, tenant: string): boolean;
  /** Extend `held` by a block that others may hold or that was kept. Throws `RangeError` for another. */
  share(held: number[], block: number): void;
  /** What a block in use holds is worth keeping when its last holder lets go. */
  keep(block: number): void;
  /** Empty `held`. Throws `RangeError` for a block that is not in use. */
  release(held: number[]): void;
}

/** Who is told of what becomes of blocks. */
export interface KvBlockHooks {
  /** A kept block's content is given up; the one that was let go first comes first. */
  readonly lost?: (block: number) => void;
  /** Blocks come to another tenant than the one that held them last, whose content they still have. */
  readonly handedOver?: (blocks: readonly number[]) => void;
}

/** All blocks free, and nothing in them. */
export function createKvBlocks(
  total: number,
  blockSize: number,
  { lost, handedOver }: KvBlockHooks = {},
): KvBlocks {
  // A stack: what was used last is used next, and may still be in a processor's cache.
  const empty: number[] = Array.from({ length: total }, (_, i) => total - 1 - i);
  const holders = new Uint32Array(total);
  const kept = new Uint8Array(total);
  /** The last tenant that held each block; a block that nobody has held yet is empty. */
  const tenants: (string | undefined)[] = Array.from({ length: total });
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
    lost?.(oldest!);
    return oldest!;
  }

  function reserve(held: number[], positions: number, tenant: string): boolean {
    const more = needed(positions) - held.length;
    if (more > free()) return false;
    const foreign: number[] = [];
    for (let i = 0; i < more; i++) {
      const block = take();
      const before = tenants[block];
      if (before !== undefined && before !== tenant) foreign.push(block);
      tenants[block] = tenant;
      holders[block] = 1;
      held.push(block);
    }
    if (foreign.length > 0) handedOver?.(foreign);
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
