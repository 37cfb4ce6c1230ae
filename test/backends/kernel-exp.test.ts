import { expect, test } from "vitest";
import { createArgs } from "../../backends/wasm/args.ts";
import { createArena } from "../../backends/wasm/arena.ts";
import { instantiateKernels, kernelId } from "../../backends/wasm/kernels.ts";
import { kernelModule, VARIANTS, wasmBackend } from "../fixtures/kernels.ts";
import { createRandom } from "../fixtures/random.ts";

/** Tokens whose weights are added up together (`sampling::GROUP`). */
const GROUP = 128;

/** exp of the kernels through the one export that shows it: silu(x) · 1/x = 1 / (1 + e^-x). */
async function sigmoids(xs: Float32Array): Promise<Float32Array> {
  const kernels = await instantiateKernels(kernelModule("simd128"));
  const arena = createArena(kernels.memory, kernels.heapBase);
  const gate = arena.take("gate", xs.byteLength);
  const up = arena.take("up", xs.byteLength);
  const out = arena.take("out", xs.byteLength);
  arena.f32(gate, xs.length).set(xs);
  arena.f32(up, xs.length).fill(1);
  const args = createArgs(arena).put(out, gate, up, 1, xs.length);
  kernels.table[kernelId("swiglu")]!(args, 0, Math.ceil(xs.length / 8));
  return arena.f32(out, xs.length).slice();
}

test("exp errs by less than 2^-22 wherever its result is a normal number", async () => {
  // Far below zero the 1 in 1 + e^-x no longer counts, so silu(x) / x is e^x.
  const xs = Float32Array.from({ length: 60_000 }, (_, i) => -20 - i / 900).filter((x) => x > -86);
  const out = await sigmoids(xs);
  const errors = xs.map((x, i) => Math.abs(out[i]! / x / Math.exp(x) - 1));
  // Two roundings of silu itself and two of the sum come on top: four halves of 2^-23.
  expect(errors.reduce((a, b) => Math.max(a, b), 0)).toBeLessThan(2 ** -22 + 2 ** -22);
});

test("exp saturates: gates far out are nothing or themselves, never NaN", async () => {
  const out = await sigmoids(Float32Array.of(-1e30, -200, -89, 0, 89, 200, 1e30, -0));
  // The largest exp is finite, so -1e30 leaves -1e30 / e^88.4.
  for (const value of out.subarray(0, 4)) expect(Math.abs(value)).toBeLessThan(1e-8);
  expect([...out.subarray(4, 7)]).toEqual([89, 200, Math.fround(1e30)]);
  expect(out[7]).toBeCloseTo(0, 30);
});

test.each(VARIANTS)(
  "weights of a whole group of 128 tokens and of one that ends early: %s",
  async (variant) => {
    const random = createRandom(7);
    const backend = await wasmBackend(variant);
    const massOf = async (row: Float32Array): Promise<number> => {
      const logits = backend.alloc("logits", [1, row.length]);
      backend.write(logits, row);
      return (await backend.reduce(logits, [{ row: 0, k: 1, mass: true }]))[0]!.mass;
    };
    for (const spread of [1, 10, 40, 1e30]) {
      for (const last of [-Infinity, NaN]) {
        const early = random.normals(GROUP - 1).map((value) => spread * value);
        // The last token has no weight, so nothing else may differ.
        const whole = Float32Array.of(...early, last);
        const mass = await massOf(early);
        expect(mass).toBeGreaterThanOrEqual(1);
        expect(await massOf(whole)).toBe(mass);
        // Nor has a group that lies far below.
        const far = whole.map((value) => value - 200 - 20 * spread);
        expect(await massOf(Float32Array.of(...whole, ...far))).toBe(mass);
      }
    }
    await backend.close();
  },
);
