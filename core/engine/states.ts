import type { Job } from "./job.ts";
import type { StepPlan } from "./scheduler.ts";
import type { Sequence } from "./sequence.ts";

/** Whether some jobs of a step, or all that want anything, want final states and no logits. */
export function wantedStates(
  plan: StepPlan,
  jobs: ReadonlyMap<Sequence, Job>,
): "none" | "some" | "only" {
  let states = 0;
  let logits = 0;
  for (const { sequence, logitRows } of plan.work) {
    const job = logitRows > 0 ? jobs.get(sequence) : undefined;
    if (job === undefined) continue;
    if (job.pool === undefined) logits++;
    else states++;
  }
  if (states === 0) return "none";
  return logits === 0 ? "only" : "some";
}

/** Let the jobs that want them have the final `states`[logitRows, dim] of their rows. */
export function poolStates(
  plan: StepPlan,
  jobs: ReadonlyMap<Sequence, Job>,
  states: Float32Array,
  dim: number,
): void {
  let row = 0;
  for (const { sequence, logitRows } of plan.work) {
    // Without a job it was aborted while the step was computed.
    if (logitRows > 0) {
      jobs.get(sequence)?.pool?.(states.subarray(row * dim, (row + logitRows) * dim));
    }
    row += logitRows;
  }
}
