import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { exponentOf, productError, scale, sumError } from "../../../core/numeric/double.ts";
import { erf } from "../../../core/numeric/erf.ts";
import { exp } from "../../../core/numeric/exp.ts";
import { log, pow } from "../../../core/numeric/log.ts";
import { MAX_ANGLE, cos, sin } from "../../../core/numeric/trig.ts";

/** Math.* of every engine is within 1 ulp of the truth or so, and so are we: together at most 2. */
const ULPS = 2;

/** A double's place among all doubles in ascending order. */
function rank(x: number): bigint {
  const bits = new BigInt64Array(Float64Array.of(x).buffer)[0]!;
  return bits < 0n ? -(bits & 0x7fffffffffffffffn) : bits;
}

/** Distance of two finite doubles, counted in representable numbers between them. */
function ulps(a: number, b: number): number {
  return Math.abs(Number(rank(a) - rank(b)));
}

const finite = (min: number, max: number): fc.Arbitrary<number> =>
  fc.double({ min, max, noNaN: true });

describe("exp", () => {
  test("is within 2 ulp of Math.exp wherever the result is a finite number", () => {
    fc.assert(
      fc.property(fc.oneof(finite(-745, 709.78), finite(-1, 1)), (x) => {
        expect(ulps(exp(x), Math.exp(x))).toBeLessThanOrEqual(ULPS);
      }),
      { numRuns: 5000 },
    );
  });

  test("has the limits of e^x", () => {
    expect([exp(0), exp(-0), exp(-Infinity), exp(Infinity), exp(-746), exp(710)]).toEqual([
      1,
      1,
      0,
      Infinity,
      0,
      Infinity,
    ]);
    expect(exp(NaN)).toBeNaN();
    expect(exp(-745.13)).toBe(5e-324);
  });

  test("never decreases across the joints of its range reduction", () => {
    for (let k = -20; k <= 20; k++) {
      const joint = (k + 0.5) * Math.LN2;
      for (let i = -8; i < 8; i++) {
        const x = joint * (1 + i * 2 ** -50);
        expect(exp(x * (1 + 2 ** -50 * Math.sign(joint)))).toBeGreaterThanOrEqual(exp(x));
      }
    }
  });
});

describe("log", () => {
  test("is within 2 ulp of Math.log, close to 1 and among subnormal numbers too", () => {
    const near = finite(-1, 1).map((x) => 1 + x * 2 ** -20);
    const magnitudes = finite(-744, 709).map((x) => Math.exp(x));
    fc.assert(
      fc.property(fc.oneof(near, magnitudes, finite(0.5, 2)), (x) => {
        expect(ulps(log(x), Math.log(x))).toBeLessThanOrEqual(ULPS);
      }),
      { numRuns: 5000 },
    );
  });

  test("has the limits of ln x", () => {
    expect([log(1), log(0), log(Infinity)]).toEqual([0, -Infinity, Infinity]);
    expect([log(-1), log(NaN)]).toEqual([NaN, NaN]);
    expect(log(5e-324)).toBeCloseTo(-744.4400719213812, 12);
  });
});

describe("pow", () => {
  test("is within 2 ulp of Math.pow for the exponents of rotary embeddings", () => {
    fc.assert(
      fc.property(finite(1, 1e7), finite(-1, 1), (theta, y) => {
        expect(ulps(pow(theta, y), Math.pow(theta, y))).toBeLessThanOrEqual(ULPS);
      }),
      { numRuns: 5000 },
    );
  });

  test("is exact for whole powers of two", () => {
    for (let k = -1074; k <= 1023; k++) expect(pow(2, k)).toBe(2 ** k);
  });

  test("has the limits of Math.pow for every base that is not negative", () => {
    const edges = [0, 1e-300, 0.5, 1, 2, 1e300, Infinity];
    for (const x of edges) {
      for (const y of [-Infinity, -1e300, -1, -1e-300, 0, 1e-300, 1, 1e300, Infinity]) {
        // 1^±Infinity is NaN in JavaScript and 1 in C; we take C's.
        if (x === 1) continue;
        const expected = x ** y;
        // V8 is an ulp off for 1e-300 ** -1.
        if (Number.isFinite(expected)) expect(ulps(pow(x, y), expected)).toBeLessThanOrEqual(ULPS);
        else expect(pow(x, y), `${x} ** ${y}`).toBe(expected);
      }
    }
    expect([pow(-2, 2), pow(NaN, 1), pow(2, NaN)]).toEqual([NaN, NaN, NaN]);
  });
});

describe("sin and cos", () => {
  test("are within 1e-12 of Math.sin and Math.cos for angles up to MAX_ANGLE", () => {
    const multiples = fc
      .tuple(fc.integer({ min: 0, max: 5_000_000 }), finite(-1e-6, 1e-6))
      .map(([n, off]) => (n * Math.PI) / 2 + off);
    fc.assert(
      fc.property(fc.oneof(finite(-MAX_ANGLE, MAX_ANGLE), finite(-8, 8), multiples), (x) => {
        expect(Math.abs(sin(x) - Math.sin(x))).toBeLessThan(1e-12);
        expect(Math.abs(cos(x) - Math.cos(x))).toBeLessThan(1e-12);
      }),
      { numRuns: 5000 },
    );
  });

  test("are within 2^-51 of Math.sin and Math.cos for every position of a long context", () => {
    for (let position = 0; position < 1e6; position += 997) {
      expect(Math.abs(sin(position) - Math.sin(position))).toBeLessThan(2 ** -51);
      expect(Math.abs(cos(position) - Math.cos(position))).toBeLessThan(2 ** -51);
    }
  });

  test("refuse an angle that they could only guess", () => {
    for (const x of [MAX_ANGLE + 1, -Infinity, NaN]) {
      expect(() => sin(x)).toThrow(RangeError);
      expect(() => cos(x)).toThrow(RangeError);
    }
  });
});

describe("double", () => {
  test("sumError and productError give what rounding took away, exactly", () => {
    const whole = fc.integer({ min: -(2 ** 31), max: 2 ** 31 });
    const wide = fc.tuple(whole, whole).map(([a, b]) => a * 2 ** 21 + b);
    fc.assert(
      fc.property(wide, wide, (a, b) => {
        expect(BigInt(a * b) + BigInt(productError(a, b))).toBe(BigInt(a) * BigInt(b));
        const c = b * 1024;
        expect(BigInt(a + c) + BigInt(sumError(a, c))).toBe(BigInt(a) + BigInt(c));
      }),
    );
  });

  test("exponentOf and scale agree with powers of two over the whole range", () => {
    for (let k = -1074; k <= 1023; k++) {
      expect(exponentOf(2 ** k)).toBe(k);
      expect(scale(1, k)).toBe(2 ** k);
      expect(scale(2 ** k, -k)).toBe(1);
    }
    expect(scale(1.5, 1024)).toBe(Infinity);
    expect(scale(1.75, -1075)).toBe(5e-324);
  });
});

test("the bits of every function are pinned, so that an engine which differs is noticed", () => {
  let hash = 2166136261;
  const mix = (value: number): void => {
    for (const word of new Uint32Array(Float64Array.of(value).buffer)) {
      hash = Math.imul(hash ^ word, 16777619) >>> 0;
    }
  };
  for (let i = 0; i < 20_000; i++) {
    const x = (i - 10_000) * 0.0625 + i * 1.1e-7;
    mix(exp(x));
    mix(log(x * x + 1e-3));
    mix(pow(i + 1, -i / 20_000));
    mix(sin(x * 97));
    mix(cos(x * 97));
  }
  expect(hash).toBe(2967096591);
});

describe("erf", () => {
  test("has the values of its tables", () => {
    // Abramowitz and Stegun, table 7.1.
    const table = [
      [0, 0],
      [0.02, 0.0225645747],
      [0.5, 0.5204998778],
      [1, 0.8427007929],
      [1.5, 0.9661051465],
      [2, 0.995322265],
      [3, 0.9999779095],
    ] as const;
    for (const [x, value] of table) {
      expect(Math.abs(erf(x) - value)).toBeLessThanOrEqual(1e-9);
      expect(erf(-x)).toBe(-erf(x));
    }
    expect([erf(7), erf(-Infinity)]).toEqual([1, -1]);
    expect(erf(NaN)).toBeNaN();
  });

  test("is the integral of its density, also where the method changes", () => {
    for (const x of [0.1, 0.7, 1.3, 2, 2.4999, 2.5, 2.5001, 3.3, 5]) {
      expect(Math.abs(erf(x) - integral(x))).toBeLessThanOrEqual(2e-14);
    }
  });
});

/** 2 / √π ∫₀ˣ e^(-t²) dt by Simpson's rule with steps of 1/4096, whose error is below 1e-15 here. */
function integral(x: number): number {
  const n = 2 * Math.ceil(x * 2048);
  let sum = 0;
  for (let i = 0; i <= n; i++) {
    const t = (i * x) / n;
    sum += Math.exp(-t * t) * (i === 0 || i === n ? 1 : i % 2 === 1 ? 4 : 2);
  }
  return ((2 / Math.sqrt(Math.PI)) * sum * (x / n)) / 3;
}
