import { describe, expect, test } from "vitest";
import { uniform } from "../../../core/sampler/random.ts";

describe("uniform", () => {
  test("is Philox2x32-10: the published words for counter 0, key 0", () => {
    const [left, right] = [0xff1dae59, 0x6cd10df2];
    expect(uniform(0, 0)).toBe(((left >>> 5) * 2 ** 26 + (right >>> 6)) / 2 ** 53);
  });

  test("stays in [0, 1) and fills it evenly, by index and by seed", () => {
    const draws = 20_000;
    for (const at of [
      (i: number): number => uniform(42, i),
      (i: number): number => uniform(i, 0),
      (i: number): number => uniform(0xffffffff - i, i),
    ]) {
      const cells = Array.from({ length: 100 }, () => 0);
      for (let i = 0; i < draws; i++) {
        const u = at(i);
        if (u >= 0 && u < 1) cells[Math.floor(u * 100)]! += 1;
      }
      expect(cells.reduce((a, b) => a + b, 0)).toBe(draws);
      const chi2 = cells.reduce((sum, n) => sum + (n - draws / 100) ** 2 / (draws / 100), 0);
      expect(chi2).toBeLessThan(148.2); // 99 degrees of freedom, p = 0.001
    }
  });
});
