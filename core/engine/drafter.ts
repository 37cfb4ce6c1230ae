import type { GenerateRequest } from "./engine.ts";
import type { EngineOptions } from "./engine-options.ts";
import { createLookup } from "./prompt-lookup.ts";
import type { StepCost } from "./step-cost.ts";

/** Guesses the next tokens of one sequence, as many as are likely to pay. */
export interface Drafter {
  /** Guesses to verify in the next step, beside `rows` rows that it has anyway. */
  draft(tokens: readonly number[], rows: number): readonly number[];
  /** Of `guessed` guesses the first `right` ones were right. */
  judge(guessed: number, right: number): void;
}

/**
 * Whether a request's tokens can be guessed: not where the logits of a position are changed by what was chosen
 * before it, as a step asks for all rows at once.
 */
export function canDraft({ sampling }: GenerateRequest): boolean {
  const { repeatPenalty, repeatLastN, presencePenalty, frequencyPenalty, logitBias } = sampling;
  const penalised = repeatPenalty !== 1 || presencePenalty !== 0 || frequencyPenalty !== 0;
  return logitBias.length === 0 && !(penalised && repeatLastN !== 0);
}

/** More guesses in a row are hardly ever all right. */
const MOST_GUESSES = 8;

/** What is right of the first guesses, before any has been judged: two of three, as if three had been. */
const PRIOR = { right: 2, judged: 3 };

/** How fast old judgements are forgotten: texts change from prose to lists and back. */
const MEMORY = 0.9;

/** Where guessing does not pay, every so many guesses one is tried all the same. */
const RETRY_EVERY = 16;

/** Looks nothing up, where a draft model alone guesses. */
const NO_LOOKUP: Drafter = { draft: () => [], judge: () => {} };

/** The drafter of a request in an engine that guesses. */
export function drafterOf(
  { speculate }: Pick<EngineOptions, "speculate">,
  cost: StepCost,
): Drafter {
  return speculate === "model" ? NO_LOOKUP : createDrafter(cost);
}

/** A drafter by prompt lookup; `cost` is what steps have taken so far. */
export function createDrafter(cost: StepCost): Drafter {
  const lookup = createLookup();
  let { right, judged } = PRIOR;
  let passed = 0;

  return {
    draft(tokens, rows) {
      const guesses = lookup.guess(tokens, MOST_GUESSES);
      if (guesses.length === 0) return guesses;
      const best = mostWorth(right / judged, guesses.length, rows, cost);
      if (best > 0) return guesses.slice(0, best);
      return ++passed % RETRY_EVERY === 0 ? guesses.slice(0, 1) : [];
    },
    judge(guessed, count) {
      // Those after the first wrong one have not been judged.
      judged = judged * MEMORY + Math.min(count + 1, guessed);
      right = right * MEMORY + count;
    },
  };
}

/** The number of guesses with which a step of `rows` rows makes most tokens in a millisecond. */
function mostWorth(rate: number, available: number, rows: number, cost: StepCost): number {
  let best = 0;
  let most = rows / cost.milliseconds(rows);
  let tokens = rows;
  let chance = 1;
  for (let guesses = 1; guesses <= available; guesses++) {
    chance *= rate;
    tokens += chance;
    const speed = tokens / cost.milliseconds(rows + guesses);
    if (speed <= most) continue;
    most = speed;
    best = guesses;
  }
  return best;
}
