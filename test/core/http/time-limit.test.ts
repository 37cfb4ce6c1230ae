import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createSharedTimer } from "../../../core/http/time-limit.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const never = new Promise<never>(() => {});

test("gives what comes in time, throws what is thrown, and tells what is late", async () => {
  const time = createSharedTimer(() => performance.now());
  expect(await time.within(Promise.resolve(1), 1000)).toBe(1);
  await expect(time.within(Promise.reject(new Error("no")), 1000)).rejects.toThrow("no");
  const late = [500, 1000, 10_000].map((ms) => time.within(never, ms));
  const ended: number[] = [];
  for (const [i, wait] of late.entries()) void wait.then((value) => value ?? ended.push(i));
  for (const [after, expected] of [
    [499, []],
    [251, [0]],
    [500, [0, 1]],
    [8000, [0, 1]],
    [1000, [0, 1, 2]],
  ] as const) {
    await vi.advanceTimersByTimeAsync(after);
    expect(ended).toEqual(expected);
  }
});

test("has one timer while anybody waits, and none after that", async () => {
  const time = createSharedTimer(() => performance.now());
  const open: ((value: number) => void)[] = [];
  const waits = Array.from({ length: 100 }, () =>
    time.within(new Promise<number>((resolve) => open.push(resolve)), 30_000),
  );
  expect(vi.getTimerCount()).toBe(1);
  for (const [i, resolve] of open.entries()) resolve(i);
  expect(await Promise.all(waits)).toEqual(waits.map((_, i) => i));
  await vi.advanceTimersByTimeAsync(250);
  expect(vi.getTimerCount()).toBe(0);
  const later = time.within(never, 100);
  await vi.advanceTimersByTimeAsync(250);
  expect(await later).toBeUndefined();
});
