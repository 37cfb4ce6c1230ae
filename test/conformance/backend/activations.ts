import { describe, expect, test } from "vitest";
import { erf } from "../../../core/numeric/erf.ts";
import { createRandom } from "../../fixtures/random.ts";
import type { BackendSuite } from "../backend.ts";
import { bits, download, loadValues, relativeError, upload } from "./tensors.ts";

/** Rows and widths, odd ones included. */
const SHAPES = [
  [1, 1],
  [1, 64],
  [2, 5],
  [3, 172],
  [9, 33],
  [5, 256],
] as const;

/** What other families of networks have beside Llama's operations. */
export function activationTests({ backend, tolerance }: BackendSuite): void {
  test("rmsNorm normalises each head by a weight of its length", async () => {
    const random = createRandom(50);
    for (const [n, heads, headDim] of [
      [1, 1, 4],
      [3, 4, 8],
      [2, 3, 64],
      [5, 2, 10],
    ] as const) {
      const [values, w] = [random.normals(n * heads * headDim), random.normals(headDim)];
      const weight = await loadValues(backend(), [headDim], w);
      const x = upload(backend(), [n, heads, headDim], values);
      await backend().run((ops) => ops.rmsNorm(x, x, weight, 1e-6));
      const expected = values.map((value, i) => {
        const head = values.subarray(i - (i % headDim), i - (i % headDim) + headDim);
        const mean = head.reduce((sum, v) => sum + v * v, 0) / headDim;
        return (value / Math.sqrt(mean + 1e-6)) * w[i % headDim]!;
      });
      expect(relativeError(await download(backend(), x), expected)).toBeLessThanOrEqual(tolerance);
    }
  });

  test("rmsNorm by a weight that rows are no multiple of is a RangeError", async () => {
    const weight = await loadValues(backend(), [6], new Float32Array(6));
    const x = backend().alloc("x", [2, 4, 4]);
    const running = backend().run((ops) => ops.rmsNorm(x, x, weight, 1e-6));
    await expect(running).rejects.toThrow(RangeError);
  });

  describe("layerNorm", () => {
    test("takes the mean away, divides by the deviation, scales and shifts", async () => {
      const random = createRandom(51);
      for (const [n, width] of SHAPES) {
        // Far from zero: what is left after the mean is what counts.
        const x = random.normals(n * width).map((value) => value + 3);
        const [w, b] = [random.normals(width), random.normals(width)];
        const [weight, bias] = [
          await loadValues(backend(), [width], w),
          await loadValues(backend(), [width], b),
        ];
        const input = upload(backend(), [n, width], x);
        const out = backend().alloc("out", [n, width]);
        await backend().run((ops) => {
          ops.layerNorm(out, input, weight, bias, 1e-5);
          ops.layerNorm(input, input, weight, bias, 1e-5);
        });
        const expected = Float64Array.from(x, (value, i) => {
          const row = x.subarray(i - (i % width), i - (i % width) + width);
          const mean = row.reduce((sum, v) => sum + v, 0) / width;
          const variance = row.reduce((sum, v) => sum + (v - mean) ** 2, 0) / width;
          return ((value - mean) / Math.sqrt(variance + 1e-5)) * w[i % width]! + b[i % width]!;
        });
        const actual = await download(backend(), out);
        expect(relativeError(actual, expected)).toBeLessThanOrEqual(4 * tolerance);
        expect(bits(await download(backend(), input))).toEqual(bits(actual));
      }
    });
  });

  test("gelu is x times the normal distribution up to x", async () => {
    const random = createRandom(52);
    for (const [n, width] of SHAPES) {
      const x = random.normals(n * width).map((value) => 2 * value);
      const tensor = upload(backend(), [n, width], x);
      await backend().run((ops) => ops.gelu(tensor));
      const expected = Float64Array.from(x, (v) => (v * (1 + erf(v / Math.SQRT2))) / 2);
      const actual = await download(backend(), tensor);
      expect(relativeError(actual, expected)).toBeLessThanOrEqual(tolerance);
    }
  });

  test("gelu neither overflows nor leaves anything of what is far below zero", async () => {
    const tensor = upload(backend(), [1, 6], Float32Array.of(-1e4, -20, -0, 0, 20, 1e4));
    await backend().run((ops) => ops.gelu(tensor));
    const actual = Array.from(await download(backend(), tensor), (value) => value + 0);
    expect(actual).toEqual([0, 0, 0, 0, 20, 1e4]);
  });

  test("scale multiplies by one number", async () => {
    const random = createRandom(53);
    for (const [n, width] of SHAPES) {
      const values = random.normals(n * width);
      const x = upload(backend(), [n, width], values);
      const factor = Math.fround(Math.sqrt(640));
      await backend().run((ops) => ops.scale(x, factor));
      expect(await download(backend(), x)).toEqual(values.map((value) => value * factor));
    }
  });

  test("gatedMatmul gates by GELU where asked to", async () => {
    const random = createRandom(54);
    for (const [n, m] of [
      [1, 5],
      [3, 64],
      [9, 33],
    ] as const) {
      const width = 32;
      const x = random.normals(n * width);
      const weights = [random.normals(m * width), random.normals(m * width)] as const;
      const product = async (values: Float32Array) => ({
        weight: await loadValues(backend(), [m, width], values),
        out: backend().alloc("out", [n, m]),
      });
      const [gate, up] = [await product(weights[0]), await product(weights[1])];
      const input = upload(backend(), [n, width], x);
      await backend().run((ops) => ops.gatedMatmul(input, gate, up, "gelu_tanh"));
      const expected = Float64Array.from({ length: n * m }, (_, i) => {
        const dot = (w: Float32Array): number => {
          let sum = 0;
          for (let c = 0; c < width; c++) {
            sum += x[Math.floor(i / m) * width + c]! * w[(i % m) * width + c]!;
          }
          return sum;
        };
        const v = dot(weights[0]);
        const bend = Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3));
        return ((v * (1 + bend)) / 2) * dot(weights[1]);
      });
      const actual = await download(backend(), gate.out);
      expect(relativeError(actual, expected)).toBeLessThanOrEqual(4 * tolerance);
    }
  });
}
