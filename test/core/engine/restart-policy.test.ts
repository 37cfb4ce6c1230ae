import { expect, test } from "vitest";
import { createRestartPolicy, RESTART_LIMITS } from "../../../core/engine/restart-policy.ts";

const { windowMs, gpuLosses, breakages } = RESTART_LIMITS;

test("waits longer from one breakage to the next, and at last stops", () => {
  const policy = createRestartPolicy();
  const delays = Array.from({ length: breakages - 1 }, (_, i) => policy.broke(i, false)?.delayMs);
  expect(delays).toEqual([0, 500, 1000, 2000, 4000, 8000]);
  expect(policy.broke(breakages, false)).toBeUndefined();
});

test("forgets what is long ago", () => {
  const policy = createRestartPolicy();
  for (let i = 0; i < 50; i++) {
    expect(policy.broke(i * windowMs, true)).toEqual({ delayMs: 0, degraded: false });
  }
});

test("does without a GPU after some losses in a short time, for good", () => {
  const policy = createRestartPolicy();
  const degraded = Array.from({ length: gpuLosses }, (_, i) => policy.broke(i, true)?.degraded);
  expect(degraded).toEqual([false, false, true]);
  expect(policy.broke(2 * windowMs, false)).toEqual({ delayMs: 0, degraded: true });
});

test("holds no breakage of the CPU against the GPU", () => {
  const policy = createRestartPolicy();
  for (let i = 0; i < 4; i++) expect(policy.broke(i, false)?.degraded).toBe(false);
  expect(policy.broke(5, true)?.degraded).toBe(false);
});
