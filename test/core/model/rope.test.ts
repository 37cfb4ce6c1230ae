import { describe, expect, test } from "vitest";
import type { RopeConfig, RopeScaling } from "../../../core/model/model.ts";
import { createRope } from "../../../core/model/rope.ts";

const config = (scaling: RopeScaling, dims = 64, theta = 10_000): RopeConfig => ({
  style: "norm",
  dims,
  theta,
  scaling,
});

const none: RopeScaling = { type: "none" };

function rotations(rope: RopeConfig, positions: readonly number[]): Float32Array {
  const out = new Float32Array(positions.length * rope.dims);
  createRope(rope).rotations(Uint32Array.from(positions), out);
  return out;
}

function expectClose(
  actual: ArrayLike<number>,
  expected: readonly number[],
  relative: number,
): void {
  expect(actual).toHaveLength(expected.length);
  for (const [i, value] of expected.entries()) {
    expect(Math.abs(actual[i]! - value), `element ${i}`).toBeLessThanOrEqual(
      relative * Math.abs(value),
    );
  }
}

/** Turns of pair d of 64 within 4096 positions, for a base of 10 000. */
const turns = (d: number): number => (4096 * 10_000 ** (-d / 64)) / (2 * Math.PI);

describe("createRope", () => {
  test("turns pair i by position · theta^(-2i / dims)", () => {
    for (const [dims, theta] of [
      [2, 10_000],
      [64, 10_000],
      [128, 1e6],
      [96, 500_000],
    ] as const) {
      const positions = [0, 1, 2, 511, 4095, 131_071, 1_000_000];
      const actual = rotations(config(none, dims, theta), positions);
      for (const [row, position] of positions.entries()) {
        for (let i = 0; i < dims / 2; i++) {
          const angle = position * theta ** ((-2 * i) / dims);
          const at = row * dims + 2 * i;
          // Math.* may differ in the last bit of an angle, which a million positions magnify.
          expect(Math.abs(actual[at]! - Math.cos(angle))).toBeLessThan(1e-7);
          expect(Math.abs(actual[at + 1]! - Math.sin(angle))).toBeLessThan(1e-7);
        }
      }
    }
  });

  test("gives the rows of each position whatever the batch", () => {
    const together = rotations(config(none), [7, 3, 900]);
    expect(together.slice(64, 128)).toEqual(rotations(config(none), [3]));
  });

  test("linear scaling divides positions by the factor", () => {
    const scaled = rotations(config({ type: "linear", factor: 4 }), [0, 4, 400]);
    expect(scaled).toEqual(rotations(config(none), [0, 1, 100]));
  });

  test("llama3 scaling divides each frequency by its divisor", () => {
    const divisors = Float32Array.from({ length: 32 }, (_, i) => 1 + i / 4);
    const { frequencies, magnitude } = createRope(config({ type: "llama3", divisors }));
    expect(magnitude).toBe(1);
    expectClose(
      frequencies,
      Array.from(divisors, (divisor, i) => 10_000 ** (-i / 32) / divisor),
      1e-14,
    );
  });

  const yarn = {
    type: "yarn",
    factor: 16,
    originalContext: 4096,
    extFactor: 1,
    attnFactor: 1,
    betaFast: 32,
    betaSlow: 1,
  } as const;

  test("yarn keeps fast pairs, slows slow ones by the factor, and joins them by a ramp", () => {
    // The paper's ramp γ, for a head of 128 and a base of 10 000: pair d turns
    // r = context · theta^(-2d/128) / 2π times, and r = 32 at pair 20.94…, r = 1 at pair 45.03….
    const [low, high] = [20, 46];
    const expected = Array.from({ length: 64 }, (_, d) => {
      const frequency = 10_000 ** (-d / 64);
      const gamma = d <= low ? 1 : d >= high ? 0 : (high - d) / (high - low);
      return (1 - gamma) * (frequency / 16) + gamma * frequency;
    });
    expect([turns(low) > 32, turns(low + 1) < 32]).toEqual([true, true]);
    expect([turns(high - 1) > 1, turns(high) < 1]).toEqual([true, true]);

    const { frequencies, magnitude } = createRope(config(yarn, 128));
    expectClose(frequencies, expected, 1e-13);
    // The paper's √(1/t) = 0.1 ln(s) + 1.
    expect(magnitude).toBeCloseTo(1.2772588722239782, 14);
  });

  test("yarn scales cosines and sines by its magnitude", () => {
    const rope = config({ ...yarn, attnFactor: 0.5 }, 128);
    const { magnitude } = createRope(rope);
    expect(magnitude).toBeCloseTo(0.6386294361119891, 14);
    const out = rotations(rope, [0, 5000]);
    for (let at = 0; at < out.length; at += 2) {
      expect(Math.hypot(out[at]!, out[at + 1]!)).toBeCloseTo(magnitude, 6);
    }
  });

  test("yarn without extrapolation is linear scaling", () => {
    const { frequencies, magnitude } = createRope(config({ ...yarn, extFactor: 0, attnFactor: 2 }));
    expect(frequencies).toEqual(createRope(config({ type: "linear", factor: 16 })).frequencies);
    expect(magnitude).toBe(2);
  });

  test("yarn survives a ramp of no width", () => {
    const narrow = { ...yarn, betaFast: 1, betaSlow: 1, originalContext: 1 };
    for (const frequency of createRope(config(narrow, 4)).frequencies) {
      expect(frequency).toBeGreaterThan(0);
      expect(frequency).toBeLessThanOrEqual(1);
    }
  });

  test("gives these very bits on every machine", () => {
    const words = new Uint32Array(rotations(config(none, 8), [1, 12_345]).buffer);
    expect(Array.from(words, (word) => word.toString(16))).toMatchInlineSnapshot(`
      [
        "3f0a5140",
        "3f576aa4",
        "3f7eb898",
        "3dcc7576",
        "3f7ffcb9",
        "3c23d657",
        "3f7ffff8",
        "3a83126d",
        "3de43872",
        "bf7e67d1",
        "bf7d4796",
        "3e14e299",
        "bf197a98",
        "bf4ce40b",
        "3f79c0c1",
        "be60d62c",
      ]
    `);
  });
});
