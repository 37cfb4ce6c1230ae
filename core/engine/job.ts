import type { RuntimeError } from "../errors.ts";
import type { LogitQuery, LogitSummary } from "../tensor/logits.ts";
import type { Drafter } from "./drafter.ts";
import type { Sequence } from "./sequence.ts";

/** What the loop does for one request: a sequence to compute, and what becomes of its logits. */
export interface Job {
  readonly sequence: Sequence;
  /** When it came, and when it ends with `DEADLINE_EXCEEDED` whatever has become of it. */
  readonly arrived: number;
  readonly deadline: number;
  /** Its first row is about to be computed; called before every step that holds some. */
  begin(now: number): void;
  /** Guesses its next tokens, where they can be verified. */
  readonly drafter?: Drafter;
  /** How a draft model's guesses are chosen: as its tokens are, by the same chance. */
  readonly guesser?: Guesser;
  /** Add what it has to know of its `count` rows of logits, which begin with row `first`. */
  ask(first: number, count: number, queries: LogitQuery[]): void;
  /**
   * Use the answers, in the order of the queries; of rows of guesses, those of one row at a time. Returns the next token, where there is to be one, or
   * `row` where the answers do not tell: then it is called again, with its first row of logits.
   */
  take(
    answers: readonly LogitSummary[],
    now: number,
    row?: Float32Array,
  ): number | "row" | undefined;
  /**
   * Use the final hidden states[rows, dim] of its rows, in order of positions; absent where it wants their
   * logits.
   */
  pool?(states: Float32Array): void;
  /** All is computed, and the sequence still has its blocks; the step waits. */
  capture?(): Promise<void>;
  /** All is computed. */
  finish(reason: "stop" | "length"): void;
  /** It ends here, computed or not. */
  fail(error: RuntimeError): void;
}

/** Chooses the guess behind other guesses of the next tokens. */
export interface Guesser {
  /** What to ask of row `row`, so that the answer has a candidate; nothing where those guesses cannot be right. */
  ask(row: number, guesses: readonly number[]): LogitQuery | undefined;
  /** The guess, by the answer, behind `ahead` others. */
  choose(summary: LogitSummary, ahead: number): number;
}

/** What jobs add up, for the engine's statistics. */
export interface Tally {
  promptTokens: number;
  generatedTokens: number;
  /** Guesses verified, and how many of them were right. */
  draftedTokens: number;
  acceptedTokens: number;
  /** Those of a draft model among them. */
  modelDraftedTokens: number;
  modelAcceptedTokens: number;
}

/** Nothing yet. */
export function createTally(): Tally {
  return {
    promptTokens: 0,
    generatedTokens: 0,
    draftedTokens: 0,
    acceptedTokens: 0,
    modelDraftedTokens: 0,
    modelAcceptedTokens: 0,
  };
}

/** No token. */
export const NO_STOPS: ReadonlySet<number> = new Set();
