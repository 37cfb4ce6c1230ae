import { RuntimeError } from "../errors.ts";
import { createKvBlocks } from "./kv-blocks.ts";
import type { Sequence } from "./sequence.ts";

/** What one step is to compute. */
export interface StepPlan {
  readonly work: readonly Work[];
  /** Rows of all work together. */
  readonly rows: number;
  /** Rows whose logits are wanted, of all work together. */
  readonly logitRows: number;
}

/** The next `rows` tokens of a sequence; the logits of the last `logitRows` of them are wanted. */
export interface Work {
  readonly sequence: Sequence;
  readonly rows: number;
  readonly logitRows: number;
}

/** A sequence that came to its end, and how. */
export interface Finished {
  readonly sequence: Sequence;
  readonly reason: "stop" | "length";
}

/** Decides; never computes, never waits, never reads a clock. */
export interface Scheduler {
  /** Queue a sequence. Throws `CONTEXT_LENGTH_EXCEEDED` for one that could never fit. */
  add(sequence: Sequence): void;
  /** The next step, or `undefined` when there is nothing to do. */
  plan(): StepPlan | undefined;
  /**
   * Record that a plan was computed. `sampled` has a token for each work that caught up and goes on;
   * a sequence that caught up without one is finished.
   */
  commit(plan: StepPlan, sampled: readonly (number | undefined)[]): readonly Finished[];
  /** Drop a sequence and free its blocks; allowed while a plan that holds it is computed. */
  abort(sequence: Sequence): void;
  readonly load: SchedulerLoad;
}

/** How full a scheduler is. */
export interface SchedulerLoad {
  readonly waiting: number;
  readonly running: number;
  readonly blocksUsed: number;
  readonly blocksTotal: number;
}

/** Fixed budgets of a scheduler, all ≥ 1. */
export interface SchedulerLimits {
  /** Rows of one step. */
  readonly maxRows: number;
  /** Rows of one step whose logits can be had. */
  readonly maxLogitRows: number;
  /** Rows of one step that may belong to sequences more than one token behind, all together. */
  readonly chunk: number;
  /** Sequences in the cache at once; never more than a step has rows and logits for. */
  readonly maxSequences: number;
  readonly blocks: number;
  readonly blockSize: number;
  /** Fills blocks of a sequence that was let in, see {@linkcode KvPrefixes.fill}. */
  readonly fill?: (sequence: Sequence, computed: number) => number;
}

/**
 * Continuous batching, first come first served.
 *
 * There is no prefill or decode phase: a sequence has tokens and a count of computed ones, and each
 * step lets sequences catch up. Those one token behind, the ones that are being answered, go first;
 * what is left of the row budget, and at most `chunk`, goes to longer ones, oldest first. So a long
 * prompt never halts answers and is never halted itself. When the cache is full, the youngest
 * sequence gives its blocks back, goes to the head of the queue and is computed again later.
 */
export function createScheduler(limits: SchedulerLimits): Scheduler {
  const { maxRows, maxLogitRows, chunk } = limits;
  // With a row and a logit row for each, no running sequence can be crowded out of a step.
  const maxSequences = Math.min(limits.maxSequences, maxRows, maxLogitRows);
  const blocks = createKvBlocks(limits.blocks, limits.blockSize);
  // Both oldest first, and all that run are older than all that wait.
  const waiting: Sequence[] = [];
  const running: Sequence[] = [];

  function add(sequence: Sequence): void {
    // Without this it would preempt everyone and then itself, for ever.
    if (sequence.limit > blocks.capacity) {
      throw new RuntimeError(
        "CONTEXT_LENGTH_EXCEEDED",
        `Cannot schedule ${sequence.limit} tokens: the cache holds ${blocks.capacity}`,
      );
    }
    waiting.push(sequence);
  }

  function plan(): StepPlan | undefined {
    const work: Work[] = [];
    let rows = 0;
    let logitRows = 0;
    // Each sequence may have one row of logits; those that want many share what is over.
    let spare = maxLogitRows - Math.min(maxSequences, running.length + waiting.length);

    function give(sequence: Sequence, most: number): number {
      const { computed, wanted, tokens } = sequence;
      const first = Math.max(computed, wanted);
      const end = Math.min(computed + most, tokens.length, first + 1 + spare);
      const logits = Math.max(0, end - first);
      work.push({ sequence, rows: end - computed, logitRows: logits });
      rows += end - computed;
      logitRows += logits;
      spare -= Math.max(0, logits - 1);
      return end - computed;
    }

    for (let i = 0; i < running.length; i++) {
      const sequence = running[i]!;
      if (behind(sequence) === 1 && makeRoom(sequence)) give(sequence, 1);
    }
    let budget = Math.min(chunk, maxRows - rows);
    for (const sequence of running) {
      if (budget > 0 && behind(sequence) > 1) budget -= give(sequence, budget);
    }
    while (budget > 0 && running.length < maxSequences && admitNext()) {
      budget -= give(running.at(-1)!, budget);
    }
    return work.length > 0 ? { work, rows, logitRows } : undefined;
  }

  /** Room for one more position, at the cost of the youngest; false where that was the sequence itself. */
  function makeRoom(sequence: Sequence): boolean {
    while (!blocks.reserve(sequence.blocks, sequence.computed + 1)) {
      // It comes after `sequence` or is it, so this step has no work for it yet.
      const youngest = running.pop()!;
      blocks.release(youngest.blocks);
      youngest.computed = 0;
      youngest.preemptions++;
      youngest.state = "waiting";
      waiting.unshift(youngest);
      if (youngest === sequence) return false;
    }
    return true;
  }

  /**
   * Let the oldest waiting sequence run if all it has fits at once and leaves a block for each running
   * one to grow: who is let in earlier is soon preempted again, and its rows were computed in vain.
   */
  function admitNext(): boolean {
    const next = waiting[0];
    if (next === undefined) return false;
    const left = blocks.free - blocks.needed(next.tokens.length);
    if (running.length > 0 && left < running.length) return false;
    if (!blocks.reserve(next.blocks, next.tokens.length)) return false;
    waiting.shift();
    next.computed = limits.fill?.(next, 0) ?? 0;
    next.state = "running";
    running.push(next);
    return true;
  }

  function commit(step: StepPlan, sampled: readonly (number | undefined)[]): readonly Finished[] {
    const finished: Finished[] = [];
    for (const [i, { sequence, rows }] of step.work.entries()) {
      if (sequence.state === "ended") continue; // aborted while the step was computed
      sequence.computed += rows;
      sequence.wanted = Math.max(sequence.wanted, sequence.computed);
      if (behind(sequence) > 0) continue;
      const token = sampled[i];
      const stopped = token !== undefined && sequence.stops.has(token);
      if (token !== undefined && !stopped) {
        sequence.tokens.push(token);
        if (sequence.tokens.length < sequence.limit) continue;
      }
      abort(sequence);
      finished.push({ sequence, reason: stopped ? "stop" : "length" });
    }
    return finished;
  }

  function abort(sequence: Sequence): void {
    if (sequence.state === "ended") return;
    const queue = sequence.state === "running" ? running : waiting;
    const at = queue.indexOf(sequence);
    if (at < 0) return; // never added
    queue.splice(at, 1);
    blocks.release(sequence.blocks);
    sequence.state = "ended";
  }

  return {
    add,
    plan,
    commit,
    abort,
    get load() {
      return {
        waiting: waiting.length,
        running: running.length,
        blocksUsed: blocks.total - blocks.free,
        blocksTotal: blocks.total,
      };
    },
  };
}

/** Tokens that are not yet computed. */
function behind(sequence: Sequence): number {
  return sequence.tokens.length - sequence.computed;
}
