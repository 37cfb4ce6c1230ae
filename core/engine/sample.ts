import type { Backend } from "../tensor/backend.ts";
import type { LogitQuery, LogitSummary } from "../tensor/logits.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Job, Tally } from "./job.ts";
import type { Sampled, StepPlan, Work } from "./scheduler.ts";
import type { Sequence } from "./sequence.ts";

/** What sampling needs to know of an engine. */
export interface SampleContext {
  readonly backend: Backend;
  readonly jobs: ReadonlyMap<Sequence, Job>;
  readonly vocabSize: number;
  readonly tally: Tally;
  /** Told how many guesses of a draft model for one sequence were right. */
  readonly judge?: ((guessed: number, right: number) => void) | undefined;
  /** Monotonic clock in milliseconds. */
  readonly now: () => number;
}

/** Lets each job of a step ask about its rows of logits; resolves to the tokens that each work goes on with. */
export type Sample = (plan: StepPlan, output: Tensor) => Promise<Sampled[]>;

/** How an engine samples. */
export function createSample(context: SampleContext): Sample {
  const { backend, jobs, vocabSize, tally, judge, now } = context;

  async function readRow(output: Tensor, row: number): Promise<Float32Array> {
    return (await backend.read(output)).subarray(row * vocabSize, (row + 1) * vocabSize);
  }

  /**
   * Take the token of a work's last row, or of all rows while the guesses before them were right. `row`
   * where the first needs its whole row of logits; where a later one does, it is the next step's affair.
   */
  function take(
    job: Job,
    { sequence, drafted }: Work,
    own: readonly LogitSummary[],
    at: number,
    whole?: Float32Array,
  ): Sampled | "row" {
    if (drafted === 0) return job.take(own, at, whole);
    const each = own.length / (1 + drafted);
    const room = sequence.limit - sequence.tokens.length;
    const taken: number[] = [];
    let right = 0;
    for (let i = 0; i <= drafted && taken.length < room; i++) {
      const part = own.slice(i * each, (i + 1) * each);
      const token = job.take(part, at, i === 0 ? whole : undefined);
      if (token === "row" && i === 0) return token;
      if (token === undefined || token === "row") break;
      taken.push(token);
      if (i === drafted || token !== sequence.draft[i] || sequence.stops.has(token)) break;
      right++;
    }
    // What went with an answer's end was not judged.
    const judged = Math.min(drafted, Math.max(taken.length, 1));
    tally.draftedTokens += drafted;
    tally.acceptedTokens += right;
    if (sequence.draftedBy === "lookup") {
      job.drafter?.judge(judged, right);
      return taken;
    }
    judge?.(judged, right);
    tally.modelDraftedTokens += drafted;
    tally.modelAcceptedTokens += right;
    return taken;
  }

  return async (plan, output) => {
    const queries: LogitQuery[] = [];
    const ends: number[] = [];
    let row = 0;
    for (const { sequence, logitRows } of plan.work) {
      // Without a job it was aborted while the step was computed.
      if (logitRows > 0) jobs.get(sequence)?.ask(row, logitRows, queries);
      row += logitRows;
      ends.push(queries.length);
    }
    const answers = await backend.reduce(output, queries);
    const at = now();
    const sampled: Sampled[] = [];
    let first = 0;
    for (const [i, work] of plan.work.entries()) {
      const own = answers.slice(first, ends[i]);
      const query = queries[first];
      first = ends[i]!;
      // It may have been aborted meanwhile, too.
      const job = own.length > 0 ? jobs.get(work.sequence) : undefined;
      if (job === undefined || query === undefined) {
        sampled.push(undefined);
        continue;
      }
      // Nothing is awaited unless it has to be: readers of one step wake together, and host.ts counts on that.
      let tokens = take(job, work, own, at);
      if (tokens === "row") tokens = take(job, work, own, at, await readRow(output, query.row));
      if (tokens === "row")
        throw new Error("Cannot sample: a job was given its row and wants it again");
      sampled.push(tokens);
    }
    return sampled;
  };
}
