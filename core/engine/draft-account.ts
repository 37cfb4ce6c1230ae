import type { StepCost } from "./step-cost.ts";
import { createStepCost } from "./step-cost.ts";

/**
 * Whether a draft model pays, by an account in milliseconds: what guessing takes is written off, what right guesses
 * have saved is written up, and a small share of all other time is there for trying. So where it does not pay it is
 * tried again now and then and costs that share; where it does, nothing holds it back.
 */
export interface DraftAccount {
  /** Whether a sequence that the draft model has not kept up with may be caught up with. */
  readonly mayCatchUp: boolean;
  /** Guesses of each of `sequences` sequences to make beside `rows` rows that a step has anyway. */
  most(rows: number, sequences: number): number;
  /** The draft model took so long. */
  spend(milliseconds: number): void;
  /** A step of one guess for each of `sequences` sequences took so long. */
  learn(sequences: number, milliseconds: number): void;
  /** A step of `rows` rows, `guessed` of them guesses of the draft model of which `right` were right. */
  settle(rows: number, milliseconds: number, guessed: number, right: number): void;
  /** Of `guessed` guesses of one sequence the first `right` ones were right. */
  judge(guessed: number, right: number): void;
}

/** The share of time that may go into trying. */
const SHARE = 0.01;

/**
 * Steps whose time is there for a first try, once, when so many steps are known: enough to catch up with a prompt and to
 * make some guesses, and a hundredth of the first thousand tokens.
 */
const FIRST_TRY_STEPS = 10;
const KNOWN_STEPS = 4;

/** What is saved is not all there to be lost: a second of it, a prompt's worth of catching up. */
const MOST_SAVED_MS = 1000;

/** More guesses in a row are hardly ever all right. */
const MOST_GUESSES = 8;

/** What is right of the first guesses before any has been judged: two of three, as if three had been. */
const PRIOR = { right: 2, judged: 3 };

/** How fast old judgements are forgotten. Those of all sequences count together, so slower than for one. */
const MEMORY = 0.98;

/** The first steps compile code. */
const WARM_UP = 3;

/** An account; `cost` is what the larger model's steps have taken so far. */
export function createDraftAccount(cost: StepCost): DraftAccount {
  const own = createStepCost();
  /** Steps whose time was not believed. */
  let warm = 0;
  let balance = 0;
  let settled = 0;
  let { right, judged } = PRIOR;

  /** The number of guesses with which most tokens are made in a millisecond; 0 for none. */
  function worth(rows: number, sequences: number): number {
    const each = own.milliseconds(sequences);
    const rate = right / judged;
    let best = 0;
    let most = rows / cost.milliseconds(rows);
    let tokens = rows;
    let chance = 1;
    for (let guesses = 1; guesses <= MOST_GUESSES; guesses++) {
      chance *= rate;
      tokens += sequences * chance;
      const took = cost.milliseconds(rows + sequences * guesses) + guesses * each;
      if (tokens / took <= most) continue;
      most = tokens / took;
      best = guesses;
    }
    return best;
  }

  return {
    get mayCatchUp() {
      return balance >= 0 && settled >= KNOWN_STEPS;
    },
    most(rows, sequences) {
      const best = warm > WARM_UP ? worth(rows, sequences) : 0;
      // One guess is what it takes to learn whether more would pay.
      return best > 0 || balance < 0 || settled < KNOWN_STEPS ? best : 1;
    },
    spend(milliseconds) {
      balance -= milliseconds;
    },
    learn(sequences, milliseconds) {
      if (++warm > WARM_UP) own.learn(sequences, milliseconds);
    },
    settle(rows, milliseconds, guessed, correct) {
      const plain = rows - guessed;
      const each = cost.milliseconds(plain) / plain;
      balance += SHARE * milliseconds + correct * each;
      if (++settled === KNOWN_STEPS) balance += FIRST_TRY_STEPS * cost.milliseconds(plain);
      if (guessed > 0) balance -= Math.max(0, cost.milliseconds(rows) - cost.milliseconds(plain));
      balance = Math.min(balance, MOST_SAVED_MS);
    },
    judge(guessed, count) {
      judged = judged * MEMORY + Math.min(count + 1, guessed);
      right = right * MEMORY + count;
    },
  };
}
