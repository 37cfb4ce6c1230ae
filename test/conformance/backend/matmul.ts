import { describe, expect, test } from "vitest";
import { dequantize } from "../../../core/quant/dequantize.ts";
import type { WeightType } from "../../../core/tensor/dtype.ts";
import { WEIGHT_TYPES } from "../../../core/tensor/dtype.ts";
import type { Tensor } from "../../../core/tensor/tensor.ts";
import type { Random } from "../../fixtures/random.ts";
import { createRandom } from "../../fixtures/random.ts";
import { randomWeight } from "../../fixtures/random-weights.ts";
import type { BackendSuite } from "../backend.ts";
import { bits, download, loadBytes, norm, relativeError, upload } from "./tensors.ts";

/** Widths: whole blocks of the type; floats also take any width. */
function widths(type: WeightType): readonly number[] {
  const block = WEIGHT_TYPES[type].values;
  return block === 1 ? [1, 5, 64, 172] : [block, 2 * block, 3 * block, 5 * block];
}

/** Products of activations with weights of every type. */
export function matmulTests(suite: BackendSuite): void {
  const { backend, weightTypes, exactProducts = suite.exact } = suite;

  interface Loaded {
    readonly weight: Tensor;
    readonly rows: number;
    readonly values: Float32Array;
  }

  async function load(
    random: Random,
    type: WeightType,
    rows: number,
    width: number,
  ): Promise<Loaded> {
    const bytes = randomWeight(random, type, rows * width);
    const values = new Float32Array(rows * width);
    dequantize(type, bytes, values);
    return { weight: await loadBytes(backend(), type, [rows, width], bytes), rows, values };
  }

  /** Outputs of one matmul with all of `weights`. */
  async function multiply(
    x: Float32Array,
    n: number,
    weights: readonly Loaded[],
  ): Promise<Float32Array[]> {
    const input = upload(backend(), [n, x.length / n], x);
    const products = weights.map(({ weight, rows }) => ({
      weight,
      out: backend().alloc("out", [n, rows]),
    }));
    await backend().run((ops) => ops.matmul(input, products));
    const outputs: Float32Array[] = [];
    for (const { out } of products) outputs.push(await download(backend(), out));
    return outputs;
  }

  function expectProduct(
    type: WeightType,
    out: Float32Array,
    x: Float32Array,
    n: number,
    w: Loaded,
  ): void {
    const width = x.length / n;
    for (let row = 0; row < n; row++) {
      const input = x.subarray(row * width, (row + 1) * width);
      const expected = new Float64Array(w.rows);
      for (let m = 0; m < w.rows; m++) {
        for (let c = 0; c < width; c++) expected[m]! += input[c]! * w.values[m * width + c]!;
      }
      // What the norm would be without luck: few outputs may all but cancel.
      const usual = (norm(input) * norm(w.values)) / Math.sqrt(width);
      const actual = out.subarray(row * w.rows, (row + 1) * w.rows);
      expect(relativeError(actual, expected, usual)).toBeLessThanOrEqual(
        suite.matmulTolerance(type),
      );
    }
  }

  describe.for([...weightTypes])("matmul with %s", (type) => {
    test("is x · Wᵀ for 1 to 9 rows and every width", async () => {
      const random = createRandom(WEIGHT_TYPES[type].id);
      for (const width of widths(type)) {
        for (const rows of [1, 3, 8, 13, 37]) {
          const w = await load(random, type, rows, width);
          for (const n of [1, 2, 3, 4, 5, 6, 7, 8, 9]) {
            const x = random.normals(n * width);
            const [out] = await multiply(x, n, [w]);
            expectProduct(type, out!, x, n, w);
          }
        }
      }
    });

    test("computes several products of one input as it computes each alone", async () => {
      const random = createRandom(WEIGHT_TYPES[type].id + 1);
      const width = widths(type)[2]!;
      const weights: Loaded[] = [];
      for (const rows of [16, 5, 40]) weights.push(await load(random, type, rows, width));
      const x = random.normals(4 * width);
      const together = await multiply(x, 4, weights);
      for (const [i, w] of weights.entries()) {
        expectProduct(type, together[i]!, x, 4, w);
        const [alone] = await multiply(x, 4, [w]);
        expect(bits(together[i]!)).toEqual(bits(alone!));
      }
    });

    test("gives zero, not NaN, for a row of zeros", async () => {
      const width = widths(type)[1]!;
      const w = await load(createRandom(2), type, 9, width);
      const x = new Float32Array(2 * width).fill(0.5, width);
      const [out] = await multiply(x, 2, [w]);
      expect(norm(out!.subarray(0, 9))).toBe(0);
    });

    test.runIf(exactProducts)("gives a row the same bits alone and among others", async () => {
      const random = createRandom(WEIGHT_TYPES[type].id + 2);
      for (const width of widths(type)) {
        const w = await load(random, type, 21, width);
        const n = 9;
        const x = random.normals(n * width);
        for (const count of [2, 3, 4, 5, 8, 9]) {
          const [all] = await multiply(x.slice(0, count * width), count, [w]);
          for (let row = 0; row < count; row++) {
            const [alone] = await multiply(x.slice(row * width, (row + 1) * width), 1, [w]);
            expect(bits(all!.subarray(row * 21, (row + 1) * 21))).toEqual(bits(alone!));
          }
        }
      }
    });
  });

  test("matmul mixes weight types in one call", async () => {
    const random = createRandom(77);
    const width = 512;
    const weights: Loaded[] = [];
    for (const type of weightTypes) weights.push(await load(random, type, 10, width));
    const x = random.normals(3 * width);
    const outputs = await multiply(x, 3, weights);
    for (const [i, type] of weightTypes.entries()) {
      expectProduct(type, outputs[i]!, x, 3, weights[i]!);
    }
  });

  test("matmul adds a bias to every row", async () => {
    const random = createRandom(79);
    for (const type of weightTypes) {
      const width = widths(type)[1]!;
      for (const rows of [1, 8, 21]) {
        const w = await load(random, type, rows, width);
        const values = random.normals(rows);
        const bias = await loadBytes(
          backend(),
          "f32",
          [rows],
          new Uint8Array(values.slice().buffer),
        );
        const x = random.normals(3 * width);
        const [plain] = await multiply(x, 3, [w]);
        const input = upload(backend(), [3, width], x);
        const out = backend().alloc("out", [3, rows]);
        await backend().run((ops) => ops.matmul(input, [{ weight: w.weight, out, bias }]));
        const expected = plain!.map((value, i) => value + values[i % rows]!);
        expect(relativeError(await download(backend(), out), expected)).toBeLessThanOrEqual(1e-6);
      }
    }
  });

  test("matmul takes inputs and outputs split into heads", async () => {
    const random = createRandom(78);
    const w = await load(random, "f32", 24, 32);
    const x = random.normals(2 * 32);
    const input = upload(backend(), [2, 4, 8], x);
    const out = backend().alloc("heads", [2, 3, 8]);
    await backend().run((ops) => ops.matmul(input, [{ weight: w.weight, out }]));
    expectProduct("f32", await download(backend(), out), x, 2, w);
  });
}
