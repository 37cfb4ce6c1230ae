/** Tokens that are to be computed, and how far they have been. Only the scheduler changes one. */
export interface Sequence {
  /** What was asked for, followed by what has been sampled. */
  readonly tokens: number[];
  /** It is finished when it holds so many tokens. */
  readonly limit: number;
  /** A sampled token that finishes it. */
  readonly stops: ReadonlySet<number>;
  state: SequenceState;
  /** Tokens whose keys and values are in the cache. */
  computed: number;
  /** First position whose logits are still wanted; all after it are wanted, too. */
  wanted: number;
  /** Cache blocks held, in order. */
  readonly blocks: number[];
  /** Times that its blocks were taken away. */
  preemptions: number;
}

/** `ended`: finished or aborted; it holds no blocks and is in no queue. */
export type SequenceState = "waiting" | "running" | "ended";

/** A sequence that has not been computed at all; logits are wanted from position `wanted` on. */
export function createSequence(
  tokens: readonly number[],
  limit: number,
  wanted: number,
  stops: ReadonlySet<number>,
): Sequence {
  return {
    tokens: tokens.slice(),
    limit,
    stops,
    state: "waiting",
    computed: 0,
    wanted,
    blocks: [],
    preemptions: 0,
  };
}
