import { type ChosenLora, NO_LORA } from "./lora.ts";
import { ANYONE } from "./queue.ts";

/** Tokens that are to be computed, and how far they have been. Only the scheduler changes one. */
export interface Sequence {
  /** Whose it is: queues are fair between tenants, and nothing is shared between them. */
  readonly tenant: string;
  /** Higher goes first, from -{@linkcode MAX_PRIORITY} to {@linkcode MAX_PRIORITY}. */
  readonly priority: number;
  /** An engine that broke had let it in: no limit of the queue holds it up. */
  readonly admitted: boolean;
  /** The adapters that its rows take. */
  readonly lora: readonly ChosenLora[];
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
  /** What the prefix cache knows the first of them by. */
  readonly chain: PrefixNode[];
  /** Tokens found in the cache when it first ran. */
  cached: number | undefined;
  /** Guesses of what follows `tokens`, for the next step to verify. */
  draft: readonly number[];
  /** Who made them: they were looked up in what was said before, or a draft model made them. */
  draftedBy: "lookup" | "model";
  /** Times that its blocks were taken away. */
  preemptions: number;
}

/** A full block that others may share, see `prefix-index.ts`. */
export interface PrefixNode {
  readonly key: string;
  readonly id: number;
  readonly block: number;
}

/** `ended`: finished or aborted; it holds no blocks and is in no queue. */
export type SequenceState = "waiting" | "running" | "ended";

/** Whose a sequence is, and how urgent. */
export interface SequenceClass {
  readonly tenant?: string;
  readonly priority?: number;
  readonly admitted?: boolean;
}

/** What a sequence is computed with, beside the model. */
export interface SequenceOptions extends SequenceClass {
  readonly lora?: readonly ChosenLora[];
}

/** A sequence that has not been computed at all; logits are wanted from position `wanted` on. */
export function createSequence(
  tokens: readonly number[],
  limit: number,
  wanted: number,
  stops: ReadonlySet<number>,
  { tenant = ANYONE, priority = 0, admitted = false, lora = NO_LORA }: SequenceOptions = {},
): Sequence {
  return {
    tenant,
    priority,
    admitted,
    lora,
    tokens: tokens.slice(),
    limit,
    stops,
    state: "waiting",
    computed: 0,
    wanted,
    blocks: [],
    chain: [],
    cached: undefined,
    draft: [],
    draftedBy: "lookup",
    preemptions: 0,
  };
}
