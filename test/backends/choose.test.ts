import { describe, expect, test } from "vitest";
import { decide } from "../../backends/choose.ts";
import type { Trial } from "../../core/tensor/choice.ts";

const LOGITS = Float32Array.of(1, -2, 3, 0.5);

function trial(promptMs: number, stepMs: number, logits: Float32Array = LOGITS): Trial {
  return { promptMs, stepMs, logits };
}

function gpu(measured: Trial): { readonly description: string; readonly trial: Trial } {
  return { description: "acme fast-1", trial: measured };
}

describe("decide", () => {
  test("takes the GPU where it is clearly faster, and says by how much", () => {
    expect(decide(gpu(trial(0.1, 5)), trial(1, 20))).toEqual({
      backend: "webgpu",
      reason: "faster",
      detail: "256 + 128 tokens take 0.666 s on acme fast-1, 2.82 s on WebAssembly",
    });
  });

  test.for([
    ["slower", trial(2, 30)],
    ["as fast", trial(1, 20)],
    ["faster by less than such a measurement errs", trial(0.95, 19)],
    ["fast for prompts and slow for answers", trial(0.1, 24)],
  ] as const)("takes WebAssembly where the GPU is %s", ([, measured]) => {
    expect(decide(gpu(measured), trial(1, 20))).toMatchObject({
      backend: "wasm",
      reason: "slower",
    });
  });

  test.for([
    ["zeros", new Float32Array(4)],
    ["noise", Float32Array.of(-1, 2, -3, 1)],
    ["no numbers", Float32Array.of(1, -2, NaN, 0.5)],
    ["another vocabulary", Float32Array.of(1, -2, 3)],
  ] as const)("a GPU whose logits are %s loses, however fast", ([, logits]) => {
    const decision = decide(gpu(trial(0.001, 0.001, logits)), trial(1, 20));
    expect(decision).toMatchObject({ backend: "wasm", reason: "wrong" });
    expect(decision.detail).toMatch(/logits are off by/);
  });

  test("rounding is no disagreement", () => {
    const rounded = Float32Array.of(1.1, -1.9, 3.1, 0.4);
    expect(decide(gpu(trial(0.1, 1, rounded)), trial(1, 20)).reason).toBe("faster");
  });

  test("a clock that stands still gives the GPU nothing", () => {
    expect(decide(gpu(trial(0, 0)), trial(0, 0)).reason).toBe("slower");
  });

  test("a refused GPU keeps its reason", () => {
    const refusal = { reason: "no_gpu", detail: "no device node" } as const;
    expect(decide(refusal)).toEqual({ backend: "wasm", ...refusal });
  });
});
