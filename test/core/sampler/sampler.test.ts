import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { narrow } from "../../../core/sampler/candidates.ts";
import { argmax } from "../../../core/tensor/order.ts";
import { GREEDY, type SamplingParams } from "../../../core/sampler/params.ts";
import { createSampler } from "../../../core/sampler/sampler.ts";
import { scratchFor } from "../../../core/sampler/scratch.ts";
import * as reference from "./reference.ts";

const NEUTRAL: SamplingParams = { ...GREEDY, temperature: 1 };

/** Multiples of 1/64, so that ties occur and float32 holds them exactly. */
const logit = fc.integer({ min: -800, max: 800 }).map((n) => n / 64);
const vocabulary = fc.array(logit, { minLength: 1, maxLength: 60 });
const open = fc.double({ min: 0.0123, max: 0.9876, noNaN: true });

const truncation = fc.record({
  topK: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 70 })),
  topP: fc.oneof(fc.constant(1), open),
  minP: fc.oneof(fc.constant(0), open),
  typicalP: fc.oneof(fc.constant(1), open),
});

function keptBy(logits: readonly number[], params: SamplingParams): number[] {
  const scratch = scratchFor(logits.length);
  const count = narrow(Float32Array.from(logits), params, scratch);
  if (count < 0) return logits.map((_, id) => id);
  return [...scratch.ids.subarray(0, count)].toSorted((a, b) => a - b);
}

function expectSameKept(logits: readonly number[], params: SamplingParams): void {
  const expected = reference.kept(logits, params).map((c) => c.id);
  expect(keptBy(logits, params)).toEqual(expected.toSorted((a, b) => a - b));
}

describe("narrow keeps what sorting everything keeps", () => {
  for (const step of ["topK", "topP", "minP", "typicalP"] as const) {
    test(`for ${step} alone`, () => {
      fc.assert(
        fc.property(vocabulary, truncation, (logits, values) => {
          expectSameKept(logits, { ...NEUTRAL, [step]: values[step] });
        }),
        { numRuns: 1000 },
      );
    });
  }

  test("for all steps in llama.cpp's order", () => {
    fc.assert(
      fc.property(vocabulary, truncation, (logits, values) => {
        expectSameKept(logits, { ...NEUTRAL, ...values });
      }),
      { numRuns: 2000 },
    );
  });

  test("for a vocabulary larger than any buffer inside, in rising, falling and mixed order", () => {
    const size = 5000;
    const mixed = Array.from({ length: size }, (_, i) => ((i * 7919) % 4001) / 256);
    const rising = Array.from({ length: size }, (_, i) => i / 256);
    for (const logits of [mixed, rising, rising.toReversed(), mixed.map(() => 1)]) {
      for (const values of [
        { topK: 1 },
        { topK: 40, topP: 0.95 },
        { topK: 1500 },
        { topK: 4999 },
        { topP: 0.30001 },
        { topP: 0.99901 },
        { minP: 0.05 },
        { typicalP: 0.70001 },
      ]) {
        expectSameKept(logits, { ...NEUTRAL, ...values });
      }
    }
  });

  test("and never less than one token", () => {
    const logits = [1, 3, 2];
    for (const values of [{ topP: 0 }, { minP: 1 }, { minP: 2 }, { typicalP: 0 }, { topK: 1 }]) {
      expect(keptBy(logits, { ...NEUTRAL, ...values }).length).toBe(1);
    }
  });
});

/** The greedy choice among [1, 5, 5, 2]. */
function greedy(params: Partial<SamplingParams>, tokens: number[] = []): number {
  return createSampler({ ...GREEDY, ...params }, 4).sample(Float32Array.of(1, 5, 5, 2), tokens, 0);
}

describe("sample", () => {
  const sampling = fc
    .tuple(
      truncation,
      fc.record({
        temperature: fc.oneof(fc.constant(0), open),
        repeatPenalty: fc.oneof(fc.constant(1), fc.constant(1.25), fc.constant(0.5)),
        repeatLastN: fc.oneof(fc.constant(-1), fc.integer({ min: 0, max: 8 })),
        presencePenalty: fc.oneof(fc.constant(0), fc.constant(0.5), fc.constant(-1)),
        frequencyPenalty: fc.oneof(fc.constant(0), fc.constant(0.25)),
        seed: fc.nat(),
      }),
    )
    .map(([a, b]) => Object.assign({}, GREEDY, a, b));

  test("picks the token of the slow and obvious sampler, whatever the parameters", () => {
    fc.assert(
      fc.property(
        fc.array(logit, { minLength: 12, maxLength: 60 }),
        fc.array(fc.nat(11), { maxLength: 20 }),
        fc.array(fc.tuple(fc.nat(11), fc.constantFrom(-2, 1.5, -100)), { maxLength: 3 }),
        sampling,
        fc.nat(5000),
        (logits, tokens, bias, chosen, index) => {
          const params = { ...chosen, logitBias: bias };
          const sampler = createSampler(params, logits.length);
          const actual = sampler.sample(Float32Array.from(logits), tokens, index);
          expect(actual).toBe(reference.sample(logits, tokens, params, index));
        },
      ),
      { numRuns: 3000 },
    );
  });

  test("greedy picks the lowest id on a tie, after bias and penalties", () => {
    expect(greedy({})).toBe(1);
    expect(greedy({}, [1, 1])).toBe(1);
    expect(greedy({ repeatPenalty: 2 }, [1])).toBe(2);
    expect(greedy({ repeatPenalty: 2, repeatLastN: 1 }, [1, 3])).toBe(1);
    expect(greedy({ presencePenalty: 4 }, [1, 2])).toBe(3);
    expect(greedy({ logitBias: [[0, 4.5]] })).toBe(0);
    expect(
      greedy({
        logitBias: [
          [1, -Infinity],
          [2, -Infinity],
          [9, 1],
          [-1, 1],
        ],
      }),
    ).toBe(3);
  });

  test("follows the softmax at each temperature (chi-square, fixed seeds)", () => {
    const logits = [0, 0.5, 1, 1.5, 2, -1, 3, 0.25];
    const draws = 20_000;
    for (const temperature of [0.5, 1, 2]) {
      for (const seed of [1, 2, 0xffffffff]) {
        const sampler = createSampler({ ...NEUTRAL, temperature, seed }, logits.length);
        const counts = logits.map(() => 0);
        for (let i = 0; i < draws; i++) {
          counts[sampler.sample(Float32Array.from(logits), [], i)]! += 1;
        }
        const expected = reference
          .softmax(
            logits.map((l, id) => ({ id, logit: l })),
            temperature,
          )
          .map((p) => p * draws);
        const chi2 = counts.reduce((sum, n, i) => sum + (n - expected[i]!) ** 2 / expected[i]!, 0);
        expect(chi2).toBeLessThan(24.3); // 7 degrees of freedom, p = 0.001
      }
    }
  });

  test("is a pure function of logits, history, seed and index", () => {
    const logits = Array.from({ length: 200 }, (_, i) => ((i * 37) % 101) / 20);
    const params = { ...NEUTRAL, topP: 0.9, repeatPenalty: 1.1, seed: 7 };
    const one = createSampler(params, 200);
    const two = createSampler(params, 200);
    const draw = (sampler: typeof one, index: number): number =>
      sampler.sample(Float32Array.from(logits), [3, 4, 5], index);
    const forwards = Array.from({ length: 50 }, (_, i) => draw(one, i));
    const backwards = Array.from({ length: 50 }, (_, i) => draw(two, 49 - i)).toReversed();
    expect(backwards).toEqual(forwards);
    expect(new Set(forwards).size).toBeGreaterThan(10);
  });

  test("survives NaN and infinite logits and never picks NaN while there is a number", () => {
    const strange = fc.constantFrom(NaN, -Infinity, 0, 1, -3, 3e38, -3e38);
    fc.assert(
      fc.property(
        fc.array(fc.oneof(strange, fc.constant(Infinity)), { minLength: 1, maxLength: 12 }),
        sampling,
        (logits, params) => {
          const sampler = createSampler(params, logits.length);
          const token = sampler.sample(Float32Array.from(logits), [0, 0], 3);
          expect(sampler.sample(Float32Array.from(logits), [0, 0], 3)).toBe(token);
          expect(token).toBeGreaterThanOrEqual(0);
          expect(token).toBeLessThan(logits.length);
          // Penalties can turn an infinity into NaN, so only what they leave alone is judged.
          const numbers = logits.slice(1).filter((l) => l > -Infinity);
          if (token > 0 && numbers.length > 0) expect(logits[token]).toBeGreaterThan(-Infinity);
        },
      ),
      { numRuns: 2000 },
    );
    expect(argmax(Float32Array.of(NaN, -Infinity, -5))).toBe(2);
    expect(argmax(Float32Array.of(NaN, NaN))).toBe(0);
  });

  test("leaves no trace of one request in the next", () => {
    const params = { ...NEUTRAL, repeatPenalty: 2, repeatLastN: -1, topK: 5 };
    const fresh = createSampler(params, 30).sample(new Float32Array(30), [1], 0);
    createSampler({ ...params, topP: 0.5, topK: 0 }, 300).sample(
      Float32Array.from({ length: 300 }, (_, i) => i),
      Array.from({ length: 300 }, (_, i) => i),
      9,
    );
    expect(createSampler(params, 30).sample(new Float32Array(30), [1], 0)).toBe(fresh);
  });

  test("refuses logits of another size and vocabularies that it cannot order", () => {
    expect(() => createSampler(GREEDY, 3).sample(new Float32Array(4), [], 0)).toThrow(RangeError);
    expect(() => createSampler(GREEDY, 2 ** 21 + 1)).toThrow(RangeError);
    expect(() => createSampler(GREEDY, 0)).toThrow(RangeError);
  });
});
