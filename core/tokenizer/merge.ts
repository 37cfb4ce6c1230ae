/**
 * Joins neighbouring symbols, best pair first and leftmost on ties, until no pair is left to join: the
 * loop that SentencePiece's BPE and byte-level BPE share. A linked list and a heap of (rank, position)
 * keep it at O(n log n), so a long word costs no more per character than a short one.
 */

/** What a vocabulary says about pairs. Symbols are named by the index at which they begin. */
export interface MergeRules {
  /**
   * Rank of joining the symbol at `left` with its neighbour at `right`, which ends before `end`;
   * lower ranks join first, equal ranks from left to right; -1 never joins. Below {@linkcode MAX_RANKS}.
   */
  rank(left: number, right: number, end: number): number;
  /** The pair was joined: the symbol at `left` now reaches to where `right` ended. */
  joined(left: number, rank: number): void;
}

/** Ranks and positions share one float64 key, 2^21 × 2^31 < 2^53: twice the largest vocabulary allowed. */
export const MAX_RANKS: number = 2 ** 21;
const POSITIONS = 2 ** 31;

/** Words up to this many symbols reuse one set of buffers; longer ones bring their own and let go of them. */
const POOLED_SYMBOLS = 4096;

/** Four children a node: half the depth of a binary heap, and siblings share a cache line. */
const ARITY = 4;

/** Joins symbols in place; one instance serves one word after another. */
export interface Merger {
  /**
   * Merge symbols 0 … `count` - 1. In the returned array, `next[i]` is where the symbol after the one
   * at `i` begins (`count` after the last); start at 0. Valid until the next call.
   */
  merge(count: number, rules: MergeRules): Int32Array;
}

interface Buffers {
  readonly next: Int32Array;
  readonly previous: Int32Array;
  /** Rank of the pair that begins here, -1 for none: a heap entry that says otherwise is out of date. */
  readonly ranks: Int32Array;
  /** At most one entry a pair to begin with, and one more a merge. */
  readonly heap: Float64Array;
}

function createBuffers(count: number): Buffers {
  return {
    next: new Int32Array(count),
    previous: new Int32Array(count),
    ranks: new Int32Array(count),
    heap: new Float64Array(2 * count),
  };
}

/** A merger with its buffers. */
export function createMerger(): Merger {
  const pooled = createBuffers(POOLED_SYMBOLS);
  return {
    merge(count, rules) {
      const buffers = count <= POOLED_SYMBOLS ? pooled : createBuffers(count);
      mergeAll(count, rules, buffers);
      return buffers.next;
    },
  };
}

function mergeAll(count: number, rules: MergeRules, buffers: Buffers): void {
  const { next, previous, ranks, heap } = buffers;
  let size = 0;
  for (let i = 0; i < count; i++) {
    next[i] = i + 1;
    previous[i] = i - 1;
    const rank = i + 1 < count ? rules.rank(i, i + 1, i + 2) : -1;
    ranks[i] = rank;
    if (rank >= 0) heap[size++] = rank * POSITIONS + i;
  }
  for (let i = Math.floor((size - 2) / ARITY); i >= 0; i--) sink(heap, size, i, heap[i]!);

  /** The pair at `left` has changed: rank it anew. */
  const consider = (left: number): void => {
    const right = next[left]!;
    const rank = right < count ? rules.rank(left, right, next[right]!) : -1;
    ranks[left] = rank;
    if (rank >= 0) rise(heap, size++, rank * POSITIONS + left);
  };

  while (size > 0) {
    const key = heap[0]!;
    size--;
    if (size > 0) sink(heap, size, 0, heap[size]!);
    const rank = Math.floor(key / POSITIONS);
    const left = key - rank * POSITIONS;
    if (ranks[left] !== rank) continue;
    const right = next[left]!;
    const after = next[right]!;
    next[left] = after;
    if (after < count) previous[after] = left;
    ranks[right] = -1;
    rules.joined(left, rank);
    if (previous[left]! >= 0) consider(previous[left]!);
    consider(left);
  }
}

/** Put `key` where the hole at `at` leads, among `size` keys. */
function sink(heap: Float64Array, size: number, at: number, key: number): void {
  for (;;) {
    const first = at * ARITY + 1;
    if (first >= size) break;
    const last = Math.min(first + ARITY, size);
    let least = first;
    for (let child = first + 1; child < last; child++) {
      if (heap[child]! < heap[least]!) least = child;
    }
    if (heap[least]! >= key) break;
    heap[at] = heap[least]!;
    at = least;
  }
  heap[at] = key;
}

/** Add `key` as entry number `at`. */
function rise(heap: Float64Array, at: number, key: number): void {
  while (at > 0) {
    const parent = Math.floor((at - 1) / ARITY);
    if (heap[parent]! <= key) break;
    heap[at] = heap[parent]!;
    at = parent;
  }
  heap[at] = key;
}
