/** Ranks of pairs of symbols in three flat arrays: a vocabulary has up to 300 000 of them. */

/** Looked up for every pair of neighbours. */
export interface PairTable {
  /** Keeps the rank a pair already has. */
  add(left: number, right: number, rank: number): void;
  /** The pair's rank, -1 for none. */
  get(left: number, right: number): number;
}

/** A table for at most `capacity` pairs of symbols, each symbol a non-negative int32. */
export function createPairTable(capacity: number): PairTable {
  // At most half full: linear probing stays short.
  let size = 16;
  while (size < capacity * 2) size *= 2;
  const mask = size - 1;
  const lefts = new Int32Array(size).fill(-1);
  const rights = new Int32Array(size);
  const ranks = new Int32Array(size);

  const slot = (left: number, right: number): number => {
    let hash = Math.imul(left, 0x9e37_79b1) ^ Math.imul(right, 0x85eb_ca6b);
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b_3c6d);
    let at = (hash ^ (hash >>> 13)) & mask;
    while (lefts[at] !== -1 && (lefts[at] !== left || rights[at] !== right)) at = (at + 1) & mask;
    return at;
  };

  return {
    add(left, right, rank) {
      const at = slot(left, right);
      if (lefts[at] !== -1) return;
      lefts[at] = left;
      rights[at] = right;
      ranks[at] = rank;
    },
    get(left, right) {
      const at = slot(left, right);
      return lefts[at] === -1 ? -1 : ranks[at]!;
    },
  };
}
