import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Chance, logprobOf, topLogprobs } from "../../../core/sampler/logprobs.ts";
import { reduceLogits } from "../../../core/tensor/reduce-logits.ts";
import { softmax } from "./reference.ts";

/** Of `token` and of the `n` likeliest. */
function logprobs(
  logits: Float32Array,
  token: number,
  n: number,
): { readonly logprob: number; readonly top: readonly Chance[] } {
  const summary = reduceLogits(logits, { row: 0, k: n, mass: true });
  return { logprob: logprobOf(summary, logits[token]!), top: topLogprobs(summary, n) };
}

function top(...logits: number[]): number[] {
  return logprobs(Float32Array.from(logits), 0, 3).top.map((t) => t.logprob);
}

describe("logprobs", () => {
  test("is the logarithm of the softmax, and its top is sorted with lower ids first", () => {
    const logit = fc.integer({ min: -400, max: 400 }).map((n) => n / 16);
    fc.assert(
      fc.property(fc.array(logit, { minLength: 1, maxLength: 50 }), fc.nat(60), (logits, n) => {
        const p = softmax(logits.map((l, id) => ({ id, logit: l })));
        const token = logits.length - 1;
        const actual = logprobs(Float32Array.from(logits), token, n);
        expect(actual.logprob).toBeCloseTo(Math.log(p[token]!), 10);
        const order = logits
          .map((l, id) => ({ l, id }))
          .toSorted((a, b) => b.l - a.l || a.id - b.id)
          .slice(0, n);
        expect(actual.top.map((t) => t.token)).toEqual(order.map((o) => o.id));
        for (const { token: id, logprob } of actual.top) {
          expect(logprob).toBeCloseTo(Math.log(p[id]!), 10);
        }
      }),
      { numRuns: 500 },
    );
  });

  test("leaves the logits as they are", () => {
    const logits = Float32Array.of(1, 2, 3);
    logprobs(logits, 0, 2);
    expect([...logits]).toEqual([1, 2, 3]);
  });

  test("gives -Infinity to impossible tokens and never NaN", () => {
    expect(top(NaN, 1, -Infinity)).toEqual([0, -Infinity, -Infinity]);
    expect(top(NaN, NaN)).toEqual([-Infinity, -Infinity]);
    expect(top(Infinity, 3)).toEqual([0, -Infinity]);
    expect(top(-Infinity, -Infinity)).toEqual([-Math.log(2), -Math.log(2)]);
  });
});
