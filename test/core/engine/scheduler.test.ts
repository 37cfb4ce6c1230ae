import { describe, expect, test } from "vitest";
import {
  type Scheduler,
  type SchedulerLimits,
  type StepPlan,
  createScheduler,
} from "../../../core/engine/scheduler.ts";
import { type Sequence, createSequence } from "../../../core/engine/sequence.ts";

const LIMITS: SchedulerLimits = {
  maxRows: 16,
  maxLogitRows: 4,
  chunk: 16,
  maxSequences: 4,
  blocks: 16,
  blockSize: 4,
  // The prompts here are all alike; what that saves is the subject of prefix-cache.test.ts.
  sharePrefixes: false,
};
const NO_STOPS = new Set<number>();
const NEXT = 7;

/** A sequence that answers a prompt of `length` tokens with `answer` more. */
function asking(length: number, answer: number, stops: ReadonlySet<number> = NO_STOPS): Sequence {
  const prompt = Array.from({ length }, () => 1);
  return createSequence(prompt, length + answer, length - 1, stops);
}

/** Rows of each sequence in a plan. */
function rowsOf(plan: StepPlan | undefined, ...sequences: readonly Sequence[]): number[] {
  return sequences.map((s) => plan?.work.find((w) => w.sequence === s)?.rows ?? 0);
}

/** Commit a plan as an engine would that always samples the same token. */
function commit(scheduler: Scheduler, plan: StepPlan | undefined): readonly Sequence[] {
  if (plan === undefined) throw new Error("there is no plan");
  const sampled = plan.work.map((w) => (w.logitRows > 0 ? NEXT : undefined));
  return scheduler.commit(plan, sampled).map((f) => f.sequence);
}

function create(limits: Partial<SchedulerLimits>, ...sequences: readonly Sequence[]): Scheduler {
  const scheduler = createScheduler({ ...LIMITS, ...limits });
  for (const sequence of sequences) scheduler.add(sequence);
  return scheduler;
}

describe("createScheduler", () => {
  test("has no plan when there is nothing to do", () => {
    expect(create({}).plan()).toBeUndefined();
  });

  test("refuses what could never fit and takes what just fits", () => {
    const scheduler = create({ blocks: 2 });
    expect(() => scheduler.add(asking(4, 5))).toThrow(/the cache holds 8/);
    scheduler.add(asking(4, 4));
    expect(scheduler.load.waiting).toBe(1);
  });

  test("gives answers their row first and the rest to prompts, oldest first", () => {
    const [a, b, c] = [asking(2, 9), asking(20, 9), asking(20, 9)];
    const scheduler = create({}, a, b, c);
    let plan = scheduler.plan();
    expect(rowsOf(plan, a, b, c)).toEqual([2, 14, 0]);
    expect(plan).toMatchObject({ rows: 16, logitRows: 1 });
    commit(scheduler, plan);
    plan = scheduler.plan();
    expect(rowsOf(plan, a, b, c)).toEqual([1, 6, 9]);
    expect(plan?.logitRows).toBe(2);
    commit(scheduler, plan);
    expect(rowsOf(scheduler.plan(), a, b, c)).toEqual([1, 1, 11]);
  });

  test("a long prompt takes at most a chunk of each step and never keeps answers waiting", () => {
    const [answer, long] = [asking(1, 30), asking(33, 1)];
    const scheduler = create({ chunk: 3 }, answer, long);
    for (let step = 0; step < 12; step++) {
      const plan = scheduler.plan();
      const rows = rowsOf(plan, answer, long);
      expect(rows[0]).toBe(1);
      expect(rows[1]).toBeLessThanOrEqual(3);
      expect(rows[1]).toBeGreaterThan(0);
      commit(scheduler, plan);
    }
  });

  test("never runs more sequences than a step has rows or logit rows for", () => {
    const many = Array.from({ length: 6 }, () => asking(1, 5));
    for (const [limits, most] of [
      [{ maxSequences: 3 }, 3],
      [{ maxRows: 2 }, 2],
      [{ maxLogitRows: 1 }, 1],
    ] as const) {
      const scheduler = create(limits, ...many.map(() => asking(1, 5)));
      expect(scheduler.plan()?.work.length).toBe(most);
      expect(scheduler.load).toMatchObject({ running: most, waiting: many.length - most });
    }
  });

  test("one that wants many logits leaves a row of logits to each other", () => {
    const judged = createSequence(
      Array.from({ length: 12 }, () => 1),
      12,
      0,
      NO_STOPS,
    );
    const scheduler = create({}, judged, asking(2, 3), asking(2, 3));
    const plan = scheduler.plan();
    expect(plan?.work.map((w) => [w.rows, w.logitRows])).toEqual([
      [2, 2],
      [2, 1],
      [2, 1],
    ]);
    expect(create({}, judged).plan()?.work).toMatchObject([{ rows: 4, logitRows: 4 }]);
  });

  test("finishes on a stop token, which it does not append, and at the limit", () => {
    const [stopped, full, going] = [asking(2, 5, new Set([NEXT])), asking(2, 1), asking(2, 5)];
    const scheduler = create({}, stopped, full, going);
    const plan = scheduler.plan();
    const finished = scheduler.commit(plan!, [NEXT, NEXT, NEXT]);
    expect(finished).toEqual([
      { sequence: stopped, reason: "stop" },
      { sequence: full, reason: "length" },
    ]);
    expect([stopped, full, going].map((s) => s.tokens.length)).toEqual([2, 3, 3]);
    expect([stopped, full, going].map((s) => s.state)).toEqual(["ended", "ended", "running"]);
    expect(scheduler.load).toMatchObject({
      waiting: 0,
      running: 1,
      blocksUsed: 1,
      blocksTotal: 16,
    });
  });

  test("takes blocks from the youngest, which goes on where it was once there is room", () => {
    const [old, young, later] = [asking(7, 9), asking(3, 9), asking(1, 1)];
    const scheduler = create({ blocks: 4, maxSequences: 2 }, old, young, later);
    commit(scheduler, scheduler.plan());
    while (young.preemptions === 0) commit(scheduler, scheduler.plan());
    expect(young).toMatchObject({ state: "waiting", computed: 0, blocks: [] });
    const reached = young.tokens.length;
    expect(reached).toBeGreaterThan(3);
    expect(old.preemptions).toBe(0);
    while (old.state !== "ended") commit(scheduler, scheduler.plan());
    const plan = scheduler.plan();
    expect(plan?.work[0]).toMatchObject({ sequence: young, rows: reached, logitRows: 1 });
    expect(later.tokens.length).toBe(1);
  });

  test("lets nobody overtake one that waits for blocks", () => {
    const [first, large, small] = [asking(10, 6), asking(12, 4), asking(1, 1)];
    const scheduler = create({ blocks: 5 }, first, large, small);
    while (first.state !== "ended") {
      commit(scheduler, scheduler.plan());
      expect(small.state).toBe("waiting");
    }
    expect(rowsOf(scheduler.plan(), large)).toEqual([12]);
  });

  test("abort frees blocks in any state, also of what a plan in progress holds", () => {
    const [a, b, c] = [asking(4, 4), asking(4, 4), asking(20, 4)];
    const scheduler = create({ maxSequences: 2 }, a, b, c);
    const plan = scheduler.plan();
    scheduler.abort(a);
    scheduler.abort(c);
    scheduler.abort(c);
    expect(scheduler.load).toMatchObject({ running: 1, waiting: 0, blocksUsed: 1 });
    expect(scheduler.commit(plan!, [NEXT, NEXT])).toEqual([]);
    expect(a.tokens.length).toBe(4);
    expect(b.tokens.length).toBe(5);
    scheduler.abort(b);
    expect(scheduler.load.blocksUsed).toBe(0);
    expect(scheduler.plan()).toBeUndefined();
  });
});
