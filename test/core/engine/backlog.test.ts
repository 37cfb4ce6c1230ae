import { expect, test } from "vitest";
import { createBacklog, type Remaining } from "../../../core/engine/backlog.ts";

/** A sequence of `length` tokens so far. */
function sequence(length: number, rest: Partial<Remaining> = {}): Remaining {
  const tokens = Array.from({ length }, () => 1);
  return { state: "running", tokens, computed: 0, limit: length, ...rest };
}

test("what is left is the prompt's rest and an answer of the usual length, at most what it may have", () => {
  const backlog = createBacklog();
  expect(backlog.rowsAhead([sequence(100, { computed: 40 })], 0)).toBe(60);
  // No answer has ended yet.
  expect(backlog.rowsAhead([sequence(10, { computed: 9, limit: 5000 })], 0)).toBe(1 + 128);
  backlog.answered(10);
  backlog.answered(30);
  const unlimited = sequence(10, { computed: 9, limit: 5000 });
  expect(backlog.rowsAhead([unlimited], 0)).toBe(1 + 20);
  expect(backlog.rowsAhead([sequence(10, { computed: 9, limit: 15 }), unlimited], 0)).toBe(27);
});

test("prompts that wait are expected to be in the cache as often as others were", () => {
  const backlog = createBacklog();
  expect(backlog.rowsAhead([sequence(100, { state: "waiting" }), sequence(100)], 0.75)).toBe(125);
});

test("speed is that of the last seconds of work, however long nothing was asked", () => {
  const backlog = createBacklog();
  expect(backlog.rowsPerSecond).toBe(0);
  backlog.stepped(50, 500);
  expect(backlog.rowsPerSecond).toBe(100);
  for (let i = 0; i < 200; i++) backlog.stepped(10, 1000);
  expect(backlog.rowsPerSecond).toBeCloseTo(10, 1);
});

test("the usual length follows what is asked of late", () => {
  const backlog = createBacklog();
  for (let i = 0; i < 64; i++) backlog.answered(1000);
  for (let i = 0; i < 400; i++) backlog.answered(10);
  const left = backlog.rowsAhead([sequence(1, { computed: 1, limit: 5000 })], 0);
  expect(left).toBeGreaterThanOrEqual(10);
  expect(left).toBeLessThan(30);
});
