import { expect, test } from "vitest";
import { chooseExperts } from "../../../core/tensor/route.ts";

test("takes the largest values, the first of equals, with their softmax as shares", () => {
  const router = Float32Array.of(0, Math.log(3), -5, 0, 7, 7, 7, 7);
  const { experts, shares } = chooseExperts(router, 4, 2);
  expect(Array.from(experts)).toEqual([1, 0, 0, 1]);
  expect(shares[0]).toBeCloseTo(0.75, 6);
  expect(shares[1]).toBeCloseTo(0.25, 6);
  expect(Array.from(shares.subarray(2))).toEqual([0.5, 0.5]);
});

test("takes as many experts as asked even where values are no numbers", () => {
  const { experts } = chooseExperts(new Float32Array(3).fill(NaN), 3, 3);
  expect(Array.from(experts)).toEqual([0, 1, 2]);
});

test("refuses more experts than there are, and none", () => {
  for (const used of [0, 4, NaN]) {
    expect(() => chooseExperts(new Float32Array(3), 3, used)).toThrow(RangeError);
  }
});
