import { loraKey } from "./lora.ts";
import type { PrefixNode, Sequence } from "./sequence.ts";

/**
 * Which full cache blocks hold which tokens after which others. A block is known by a key that names its
 * tokens and the block before it, and so all tokens from the beginning; the first names the tenant, whose
 * blocks nobody else finds, and the adapters that made the keys and values. Keys are compared whole: where they are equal, so are keys and values, as a
 * row's bits depend on the tokens before it alone. Pure.
 */
export interface PrefixIndex {
  /** Known blocks of a sequence's first tokens, in order, at most `most`. */
  find(sequence: Sequence, most: number): PrefixNode[];
  /**
   * The block that follows the sequence's `chain` is full: others may find it, unless they find another
   * with the same tokens already. Returns what is found, by which the chain goes on.
   */
  add(sequence: Sequence): PrefixNode;
  /** A block's content is lost. */
  forget(block: number): void;
}

/** An index that knows nothing yet. */
export function createPrefixIndex(blockSize: number): PrefixIndex {
  const nodes = new Map<string, PrefixNode>();
  const byBlock = new Map<number, PrefixNode>();
  let nextId = 0;

  function keyOf(sequence: Sequence, before: PrefixNode | undefined, at: number): string {
    const { tenant, lora, tokens } = sequence;
    // Ids are numbers: no tenant can be called like one, as its name comes with a letter behind its adapters' numbers.
    const parent = before === undefined ? `${loraKey(lora)}t${tenant}` : before.id;
    return `${parent}:${tokens.slice(at * blockSize, (at + 1) * blockSize).join()}`;
  }

  return {
    find(sequence, most) {
      const found: PrefixNode[] = [];
      while (found.length < most) {
        const node = nodes.get(keyOf(sequence, found.at(-1), found.length));
        if (node === undefined) break;
        found.push(node);
      }
      return found;
    },
    add(sequence) {
      const { chain, blocks } = sequence;
      const key = keyOf(sequence, chain.at(-1), chain.length);
      const known = nodes.get(key);
      if (known !== undefined) return known;
      const node: PrefixNode = { key, id: nextId++, block: blocks[chain.length]! };
      nodes.set(key, node);
      byBlock.set(node.block, node);
      return node;
    },
    forget(block) {
      const node = byBlock.get(block);
      if (node === undefined) return;
      byBlock.delete(block);
      nodes.delete(node.key);
    },
  };
}
