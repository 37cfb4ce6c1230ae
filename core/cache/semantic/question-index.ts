import { termDifference, type Difference } from "./content-gate.ts";
import { NEAR, similarity } from "./similarity.ts";

/** A question that was answered. */
export interface IndexedQuestion {
  /** Of its answer; by it an entry can be evicted. */
  readonly id: string;
  /** Only questions of the same partition are compared. */
  readonly partition: string;
  /** What it says, as the content gate reads it. */
  readonly terms: readonly string[];
  /** [dim], of length 1. */
  readonly vector: Float32Array;
  /** Under which its answer is kept. */
  readonly key: string;
}

/** What was near a question. */
export interface Nearest {
  /** The nearest question that asks the same. */
  readonly found?: { readonly question: IndexedQuestion; readonly similarity: number };
  /** Why nearer ones, or all that were near, were not taken for the same. */
  readonly refused: readonly Difference[];
}

/** Questions by meaning: a flat list for each partition, of bounded size in all. */
export interface QuestionIndex {
  /** Look only among the questions of a partition. */
  find(partition: string, question: Pick<IndexedQuestion, "terms" | "vector">): Nearest;
  /** Put a question in, instead of one of the same partition that says the same. */
  add(question: IndexedQuestion): void;
  /** Take out what leads to the answer with this id, and let the same question never in again; whether it was there. */
  evict(id: string): boolean;
  /** Take out a question whose answer is kept no more. */
  drop(id: string): void;
  clear(): void;
  readonly size: number;
  readonly bytes: number;
}

/** How much an index holds; what was not asked for longest leaves. */
export interface IndexBounds {
  /** Questions. */
  readonly entries: number;
  /** Of vectors and texts. */
  readonly bytes: number;
}

/**
 * Each look-up reads every vector of its partition: 16 MiB of floats are 4 million products, some milliseconds at
 * worst, where one tenant asks everything with one system prompt.
 */
export const DEFAULT_BOUNDS: IndexBounds = { entries: 4096, bytes: 16 * 1024 * 1024 };

/** Questions that were evicted and are remembered as such. */
const MAX_BANNED = 10_000;

/** What an entry takes beside its vector and its text: objects and places in maps, roughly. */
const ENTRY_OVERHEAD = 400;

/** An empty index. */
export function createQuestionIndex(bounds: IndexBounds = DEFAULT_BOUNDS): QuestionIndex {
  // The one that was not asked for longest first.
  const byId = new Map<string, IndexedQuestion>();
  const partitions = new Map<string, Map<string, IndexedQuestion>>();
  const banned = new Set<string>();
  let bytes = 0;

  function remove(id: string): IndexedQuestion | undefined {
    const entry = byId.get(id);
    if (entry === undefined) return undefined;
    byId.delete(id);
    bytes -= bytesOf(entry);
    const members = partitions.get(entry.partition);
    members?.delete(sayingOf(entry));
    if (members?.size === 0) partitions.delete(entry.partition);
    return entry;
  }

  return {
    find(partition, { terms, vector }) {
      const near: { readonly question: IndexedQuestion; readonly similarity: number }[] = [];
      for (const question of partitions.get(partition)?.values() ?? []) {
        const cosine = similarity(question.vector, vector);
        if (cosine >= NEAR) near.push({ question, similarity: cosine });
      }
      near.sort((a, b) => b.similarity - a.similarity);
      const refused: Difference[] = [];
      for (const found of near) {
        const why = termDifference(found.question.terms, terms);
        if (why !== undefined) {
          refused.push(why);
          continue;
        }
        const { question } = found;
        byId.delete(question.id);
        byId.set(question.id, question);
        return { found, refused };
      }
      return { refused };
    },
    add(question) {
      const saying = sayingOf(question);
      if (banned.has(bannedKey(question))) return;
      remove(partitions.get(question.partition)?.get(saying)?.id ?? "");
      remove(question.id);
      const members = partitions.get(question.partition) ?? new Map<string, IndexedQuestion>();
      partitions.set(question.partition, members);
      members.set(saying, question);
      byId.set(question.id, question);
      bytes += bytesOf(question);
      for (const id of byId.keys()) {
        if (byId.size <= bounds.entries && bytes <= bounds.bytes) break;
        remove(id);
      }
    },
    evict(id) {
      const entry = remove(id);
      if (entry === undefined) return false;
      banned.add(bannedKey(entry));
      if (banned.size > MAX_BANNED) banned.delete(banned.values().next().value!);
      return true;
    },
    drop: (id) => void remove(id),
    clear() {
      byId.clear();
      partitions.clear();
      bytes = 0;
    },
    get size() {
      return byId.size;
    },
    get bytes() {
      return bytes;
    },
  };
}

function sayingOf({ terms }: IndexedQuestion): string {
  return terms.join(" ");
}

function bannedKey(question: IndexedQuestion): string {
  return `${question.partition} ${sayingOf(question)}`;
}

function bytesOf(question: IndexedQuestion): number {
  const { id, partition, key, vector } = question;
  const text = id.length + partition.length + key.length + 2 * sayingOf(question).length;
  return vector.byteLength + 2 * text + ENTRY_OVERHEAD;
}
