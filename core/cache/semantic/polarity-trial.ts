import { difference, GATE_VERSION } from "./content-gate.ts";
import type { Embedder } from "./embedder.ts";
import { paraphrases } from "./paraphrases.ts";
import { LEAST_PAIRS, polarityPairs, SUITE_VERSION, type PolarityPair } from "./polarity-suite.ts";
import { NEAR, similarity } from "./similarity.ts";
import { readQuestion } from "./terms.ts";

/** How an embedder and the content gate did on the polarity suite. */
export interface PolarityVerdict {
  /** Pairs of questions that ask different things. */
  readonly pairs: number;
  /** Those of them of which one would have been given the other's answer, by kind. */
  readonly falseHits: Readonly<Record<string, number>>;
  /** Pairs that the gate let through, so that the vectors had to tell. */
  readonly leftToVectors: number;
  /** Paraphrases by kind, and those of them that would have been hits. */
  readonly paraphrases: {
    /** Words, courtesy and spelling differ. */
    readonly form: Tally;
    /** Said in other words. */
    readonly free: Tally;
  };
}

/** How many, and how many of them were hits. */
export interface Tally {
  /** Pairs in all. */
  readonly pairs: number;
  /** Those that would have been hits. */
  readonly hits: number;
}

/** One false hit in a thousand pairs that were made to be taken for one another; more, and the cache stays off. */
export const MOST_FALSE_HITS = 0.001;

/** Says what a verdict is about: another gate, suite or threshold is another question. */
export const TRIAL_VERSION: string = `${GATE_VERSION}.${SUITE_VERSION}.${NEAR}`;

/** What is tried, and on what. */
export interface TrialOptions {
  /** Told apart by their words; the content gate unless given. */
  readonly gate?: (one: string, other: string) => string | undefined;
  /** The polarity suite unless given. */
  readonly pairs?: readonly PolarityPair[];
  readonly signal?: AbortSignal;
}

/**
 * Try an embedder on the polarity suite. A pair is a false hit where the gate lets it through and the vectors are near;
 * so only those that pass the gate have to be embedded, and the verdict is what it would be if all were. Rejects
 * with what the embedder rejects with.
 */
export async function tryPolarity(
  embedder: Embedder,
  { gate = difference, pairs = polarityPairs(), signal = NEVER }: TrialOptions = {},
): Promise<PolarityVerdict> {
  const known = new Map<string, Promise<Float32Array>>();
  const vectorOf = (question: string): Promise<Float32Array> => {
    const text = readQuestion(question)?.bare ?? question;
    const vector = known.get(text) ?? embedder.embed(text, { signal });
    known.set(text, vector);
    return vector;
  };
  const isHit = async ({ one, other }: Pick<PolarityPair, "one" | "other">): Promise<boolean> =>
    gate(one, other) === undefined &&
    similarity(await vectorOf(one), await vectorOf(other)) >= NEAR;

  const falseHits: Record<string, number> = {};
  const left = pairs.filter(({ one, other }) => gate(one, other) === undefined);
  await aFewAtOnce(left, async (pair) => {
    if (await isHit(pair)) falseHits[pair.kind] = (falseHits[pair.kind] ?? 0) + 1;
  });
  const same = { form: { pairs: 0, hits: 0 }, free: { pairs: 0, hits: 0 } };
  await aFewAtOnce(paraphrases(), async (pair) => {
    const tally = same[pair.kind];
    tally.pairs++;
    if (await isHit(pair)) tally.hits++;
  });
  const leftToVectors = left.length;
  return { pairs: pairs.length, falseHits, leftToVectors, paraphrases: same };
}

/** Whether a verdict lets answers be given by meaning. */
export function mayAnswer(verdict: PolarityVerdict): boolean {
  return verdict.pairs >= LEAST_PAIRS && falseHitsOf(verdict) <= verdict.pairs * MOST_FALSE_HITS;
}

/** False hits of all kinds. */
export function falseHitsOf({ falseHits }: PolarityVerdict): number {
  return Object.values(falseHits).reduce((sum, count) => sum + count, 0);
}

/** Enough to fill an engine's steps, and few beside the requests of others. */
const AT_ONCE = 4;

async function aFewAtOnce<T>(items: readonly T[], run: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  const work = async (): Promise<void> => {
    for (const item of rest) await run(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

const NEVER: AbortSignal = new AbortController().signal;
