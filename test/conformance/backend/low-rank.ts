import { describe, expect, test } from "vitest";
import { dequantize } from "../../../core/quant/dequantize.ts";
import type { LowRank } from "../../../core/tensor/backend.ts";
import type { WeightType } from "../../../core/tensor/dtype.ts";
import { createRandom, type Random } from "../../fixtures/random.ts";
import { randomWeight } from "../../fixtures/random-weights.ts";
import type { BackendSuite } from "../backend.ts";
import { bits, download, loadBytes, relativeError, upload } from "./tensors.ts";

interface Shape {
  readonly k: number;
  readonly rank: number;
  readonly m: number;
}

/** Odd ones among them: adapters have the shapes that their makers liked. */
const SHAPES: readonly Shape[] = [
  { k: 64, rank: 8, m: 64 },
  { k: 5, rank: 1, m: 3 },
  { k: 96, rank: 3, m: 33 },
  { k: 33, rank: 17, m: 130 },
];

const GAIN = 0.75;

interface Loaded extends Shape {
  readonly factors: LowRank;
  readonly values: { readonly down: Float32Array; readonly up: Float32Array };
}

/** What adapters add to products, and gates by themselves. */
export function lowRankTests({ backend, exact, tolerance, weightTypes }: BackendSuite): void {
  async function load(random: Random, type: WeightType, shape: Shape): Promise<Loaded> {
    const { k, rank, m } = shape;
    const one = async (rows: number, columns: number) => {
      const bytes = randomWeight(random, type, rows * columns);
      const values = new Float32Array(rows * columns);
      dequantize(type, bytes, values);
      return { tensor: await loadBytes(backend(), type, [rows, columns], bytes), values };
    };
    const [down, up] = [await one(rank, k), await one(m, rank)];
    return {
      ...shape,
      factors: { down: down.tensor, up: up.tensor, gain: GAIN },
      values: { down: down.values, up: up.values },
    };
  }

  async function run(
    { k, m, factors }: Loaded,
    x: Float32Array,
    before: Float32Array,
    scales: readonly number[],
  ): Promise<Float32Array> {
    const input = upload(backend(), [scales.length, k], x);
    const out = upload(backend(), [scales.length, m], before);
    await backend().run((ops) => ops.addLowRank(out, input, factors, Float32Array.from(scales)));
    return download(backend(), out);
  }

  const types = (["f32", "f16", "bf16"] as const).filter((type) => weightTypes.includes(type));
  describe.for(types)("addLowRank of %s", (type) => {
    test("adds a product of low rank to each row, by its scale", async () => {
      const random = createRandom(70);
      for (const shape of SHAPES) {
        const loaded = await load(random, type, shape);
        for (const scales of [[1], [0.5, -2], [1, 1, 1, 0, 1, 0.25, 0.25]]) {
          const x = random.normals(scales.length * shape.k);
          const before = random.normals(scales.length * shape.m);
          const actual = await run(loaded, x, before, scales);
          expect(relativeError(actual, plain(loaded, x, before, scales))).toBeLessThanOrEqual(
            tolerance,
          );
        }
      }
    });

    test("leaves rows whose scale is 0 alone, whatever they hold", async () => {
      const random = createRandom(71);
      const loaded = await load(random, type, SHAPES[2]!);
      const { k, m } = loaded;
      const x = random.normals(3 * k).fill(NaN, k, 2 * k);
      const before = random.normals(3 * m);
      const actual = await run(loaded, x, before, [1, 0, 1]);
      expect(bits(actual.slice(m, 2 * m))).toEqual(bits(before.slice(m, 2 * m)));
      expect(actual.every((value) => Number.isFinite(value))).toBe(true);
      expect(bits(await run(loaded, x, before, [0, 0, 0]))).toEqual(bits(before));
    });

    // Also where products are not exact: these have kernels of their own, which know one row.
    test("gives a row the same bits alone and among others", async () => {
      const random = createRandom(72);
      const loaded = await load(random, type, SHAPES[3]!);
      const { k, m } = loaded;
      const scales = [1, 1, 1, 1, 1, 0.5, 0, 0.5, 1];
      const x = random.normals(scales.length * k);
      const before = random.normals(scales.length * m);
      const all = await run(loaded, x, before, scales);
      for (const [row, scale] of scales.entries()) {
        const alone = await run(
          loaded,
          x.slice(row * k, (row + 1) * k),
          before.slice(row * m, (row + 1) * m),
          [scale],
        );
        expect(bits(alone)).toEqual(bits(all.slice(row * m, (row + 1) * m)));
      }
    });
  });

  test("addLowRank of shapes that do not fit is a RangeError", async () => {
    const loaded = await load(createRandom(73), "f32", SHAPES[0]!);
    const { down, up } = loaded.factors;
    const x = new Float32Array(64);
    const wrong: readonly Promise<unknown>[] = [
      run({ ...loaded, k: 32 }, x.slice(32), x, [1]),
      run({ ...loaded, m: 32 }, x, x.slice(32), [1]),
      run({ ...loaded, factors: { down: up, up: down, gain: 1 } }, x, x, [1]),
      backend().run((ops) => {
        const out = upload(backend(), [1, 64], x);
        ops.addLowRank(out, upload(backend(), [1, 64], x), loaded.factors, new Float32Array(2));
      }),
    ];
    for (const each of wrong) await expect(each).rejects.toThrow(RangeError);
  });

  test.for(["silu", "gelu_tanh"] as const)(
    "gate by %s is what gatedMatmul does behind its products",
    async (activation) => {
      const random = createRandom(74);
      const [n, k, m] = [3, 64, 72];
      const weight = async () =>
        loadBytes(backend(), "f32", [m, k], randomWeight(random, "f32", m * k));
      const [gate, up] = [await weight(), await weight()];
      const x = upload(backend(), [n, k], random.normals(n * k));
      const [together, apart] = [backend().alloc("gate", [n, m]), backend().alloc("gate", [n, m])];
      const [unused, other] = [backend().alloc("up", [n, m]), backend().alloc("up", [n, m])];
      await backend().run((ops) => {
        const products = [
          { weight: gate, out: apart },
          { weight: up, out: other },
        ];
        ops.gatedMatmul(
          x,
          { weight: gate, out: together },
          { weight: up, out: unused },
          activation,
        );
        ops.matmul(x, products);
        ops.gate(apart, other, activation);
      });
      const [a, b] = [await download(backend(), together), await download(backend(), apart)];
      if (exact) expect(bits(b)).toEqual(bits(a));
      expect(relativeError(b, a)).toBeLessThanOrEqual(tolerance);
    },
  );
}

/** The definition in float64. */
function plain(
  { k, rank, m, values }: Loaded,
  x: Float32Array,
  before: Float32Array,
  scales: readonly number[],
): Float64Array {
  return Float64Array.from(before, (value, i) => {
    const row = Math.floor(i / m);
    let sum = 0;
    for (let r = 0; r < rank; r++) {
      let inner = 0;
      for (let c = 0; c < k; c++) inner += values.down[r * k + c]! * x[row * k + c]!;
      sum += inner * values.up[(i % m) * rank + r]!;
    }
    return value + scales[row]! * GAIN * sum;
  });
}
