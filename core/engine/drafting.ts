import type { Model } from "../model/model.ts";
import type { Ops } from "../tensor/backend.ts";
import { createDraftAccount } from "./draft-account.ts";
import { createDraftModel, type GuessRequest } from "./draft-model.ts";
import type { EngineOptions } from "./engine-options.ts";
import type { Job, Tally } from "./job.ts";
import type { Scheduler, StepPlan } from "./scheduler.ts";
import type { Sequence } from "./sequence.ts";
import type { StepCost } from "./step-cost.ts";

/** What a draft model needs of an engine. */
export interface DraftingContext extends Pick<
  EngineOptions,
  "backend" | "model" | "draft" | "now"
> {
  readonly jobs: ReadonlyMap<Sequence, Job>;
  readonly scheduler: Scheduler;
  readonly cost: StepCost;
  readonly tally: Tally;
  /** See `heartbeat.ts`. */
  readonly watched: (ops: Ops) => Ops;
}

/** Guesses before each step, by what was said before or else by a draft model, where that pays. */
export interface Drafting {
  /** Guess for those that are being answered. */
  guess(): Promise<void>;
  /** Of `guessed` guesses of the draft model for one sequence the first `right` ones were right. */
  readonly judge: (guessed: number, right: number) => void;
  /** A step that verified guesses has been computed. */
  settle(plan: StepPlan, milliseconds: number): void;
}

/** Nothing where there is no draft model. Throws `RangeError` for one of another shape. */
export function createDrafting(context: DraftingContext): Drafting | undefined {
  const { backend, draft, model, jobs, scheduler, cost, tally, watched, now } = context;
  if (draft === undefined) return undefined;
  checkShape(draft, model);
  const { maxLogitRows, maxRows } = model.limits;
  const drafts = createDraftModel(backend, draft, watched);
  const account = createDraftAccount(cost);
  let accepted = 0;

  /** Those that are being answered and whose next tokens are not known from before. */
  function candidates(running: number): Sequence[] {
    const found: Sequence[] = [];
    for (const [sequence, { drafter }] of jobs) {
      if (drafter === undefined || sequence.state !== "running") continue;
      if (sequence.computed !== sequence.tokens.length - 1) continue;
      sequence.draft = drafter.draft(sequence.tokens, running);
      sequence.draftedBy = "lookup";
      if (sequence.draft.length === 0 && jobs.get(sequence)?.guesser !== undefined) {
        found.push(sequence);
      }
    }
    return found;
  }

  async function guess(): Promise<void> {
    const { running } = scheduler.load;
    const waiting = candidates(running);
    if (waiting.length === 0) return;
    const most = account.most(running, waiting.length);
    if (most === 0) return;
    const each = Math.floor((Math.min(maxLogitRows, maxRows) - running) / waiting.length);
    const requests: GuessRequest[] = [];
    let behind = false;
    for (const sequence of waiting) {
      const late = drafts.behind(sequence) > 1;
      if (late && !account.mayCatchUp) continue;
      const count = scheduler.room(sequence, Math.min(most, each));
      if (count === 0) continue;
      behind ||= late;
      requests.push({ sequence, count, ...jobs.get(sequence)!.guesser! });
    }
    if (requests.length === 0) return;
    const started = now();
    const steps = await drafts.guess(requests);
    const took = now() - started;
    account.spend(took);
    // Rows that catch up cost less each.
    if (!behind && steps > 0) account.learn(requests.length, took / steps);
  }

  return {
    guess,
    judge: (guessed, right) => account.judge(guessed, right),
    settle(plan, milliseconds) {
      let guessed = 0;
      for (const { sequence, drafted } of plan.work) {
        if (sequence.draftedBy === "model") guessed += drafted;
      }
      const right = tally.modelAcceptedTokens - accepted;
      accepted = tally.modelAcceptedTokens;
      account.settle(plan.rows, milliseconds, guessed, right);
    },
  };
}

function checkShape(draft: Model, model: Model): void {
  const { blocks, blockSize } = model.limits;
  const { vocabSize } = model.config;
  const own = { ...draft.limits, ...draft.config };
  if (own.blocks === blocks && own.blockSize === blockSize && own.vocabSize === vocabSize) return;
  throw new RangeError(
    `Cannot guess with a draft model of ${own.vocabSize} tokens and ${own.blocks} blocks of ${own.blockSize}: ` +
      `expected ${vocabSize} tokens and ${blocks} blocks of ${blockSize}`,
  );
}
