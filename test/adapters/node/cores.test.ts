import { availableParallelism } from "node:os";
import { expect, test } from "vitest";
import { countListed, physicalCores } from "../../../adapters/node/cores.ts";

test("countListed counts single CPUs and ranges, and falls back to 1", () => {
  expect(countListed("0", 2)).toBe(1);
  expect(countListed("0,64", 128)).toBe(2);
  expect(countListed("0-1", 4)).toBe(2);
  expect(countListed("0-1,8-9", 16)).toBe(4);
  for (const nonsense of ["", "x", "3-1", "0-99999"]) expect(countListed(nonsense, 8)).toBe(1);
});

test("physicalCores is at least 1 and no more than this process may use", () => {
  expect(physicalCores()).toBeGreaterThanOrEqual(1);
  expect(physicalCores()).toBeLessThanOrEqual(availableParallelism());
});
