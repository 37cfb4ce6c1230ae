import { describe, expect, test } from "vitest";
import { dequantize } from "../../../core/quant/dequantize.ts";
import type { WeightType } from "../../../core/tensor/dtype.ts";
import type { Tensor } from "../../../core/tensor/tensor.ts";
import type { Random } from "../../fixtures/random.ts";
import { createRandom } from "../../fixtures/random.ts";
import { randomWeight } from "../../fixtures/random-weights.ts";
import type { BackendSuite } from "../backend.ts";
import { bits, download, loadBytes, relativeError, upload } from "./tensors.ts";

/** One of floats, one of blocks of 32 and one of 256: kernels differ no further. */
const TYPES: readonly WeightType[] = ["f32", "f16", "q8_0", "q4_k"];

interface Shape {
  readonly experts: number;
  readonly used: number;
  readonly d: number;
  readonly hidden: number;
}

/** Lengths in groups of values that every kernel of a type takes whole. */
const SHAPES: readonly Shape[] = [
  { experts: 4, used: 2, d: 1, hidden: 2 },
  { experts: 1, used: 1, d: 1, hidden: 1 },
  { experts: 9, used: 3, d: 2, hidden: 1 },
  { experts: 3, used: 3, d: 1, hidden: 1 },
];

function shapesOf(type: WeightType): readonly Shape[] {
  const group = type === "q4_k" ? 256 : 96;
  const grown = ({ experts, used, d, hidden }: Shape): Shape => ({
    experts,
    used,
    d: group * d,
    hidden: group * hidden,
  });
  return SHAPES.map(grown);
}

interface Loaded extends Shape {
  readonly tensors: { readonly gate: Tensor; readonly up: Tensor; readonly down: Tensor };
  readonly values: Readonly<Record<"gate" | "up" | "down", Float32Array>>;
}

/** Feed-forward layers of experts. */
export function expertsTests(suite: BackendSuite): void {
  const { backend, weightTypes, exactProducts = suite.exact } = suite;

  async function load(random: Random, type: WeightType, shape: Shape): Promise<Loaded> {
    const { experts, d, hidden } = shape;
    const one = async (rows: number, columns: number) => {
      const bytes = randomWeight(random, type, experts * rows * columns);
      const values = new Float32Array(experts * rows * columns);
      dequantize(type, bytes, values);
      return { tensor: await loadBytes(backend(), type, [experts, rows, columns], bytes), values };
    };
    const [gate, up, down] = [await one(hidden, d), await one(hidden, d), await one(d, hidden)];
    return {
      ...shape,
      tensors: { gate: gate.tensor, up: up.tensor, down: down.tensor },
      values: { gate: gate.values, up: up.values, down: down.values },
    };
  }

  async function run(
    layer: Loaded,
    x: Float32Array,
    router: Float32Array,
    tally: Tensor,
  ): Promise<Float32Array> {
    const n = x.length / layer.d;
    const input = upload(backend(), [n, layer.d], x);
    const choice = upload(backend(), [n, layer.experts], router);
    const out = backend().alloc("out", [n, layer.d]);
    const experts = { ...layer.tensors, used: layer.used, tally };
    await backend().run((ops) => ops.experts(out, input, choice, experts));
    return download(backend(), out);
  }

  describe.for(TYPES.filter((type) => weightTypes.includes(type)))("experts of %s", (type) => {
    test("are the chosen feed-forward layers by their shares, and are counted", async () => {
      const random = createRandom(60);
      for (const shape of shapesOf(type)) {
        const layer = await load(random, type, shape);
        const tally = backend().alloc("tally", [shape.experts]);
        const counts = new Float32Array(shape.experts);
        for (const n of [1, 2, 7]) {
          const x = random.normals(n * shape.d);
          const router = random.normals(n * shape.experts);
          const actual = await run(layer, x, router, tally);
          const expected = plainExperts(layer, x, router, counts);
          // Errors of three products in a row.
          expect(relativeError(actual, expected)).toBeLessThanOrEqual(
            3 * suite.matmulTolerance(type),
          );
        }
        expect(await download(backend(), tally)).toEqual(counts);
      }
    });

    test.runIf(exactProducts)("give a row the same bits alone and among others", async () => {
      const random = createRandom(61);
      const layer = await load(random, type, shapesOf(type)[0]!);
      const tally = backend().alloc("tally", [layer.experts]);
      const [x, router] = [random.normals(5 * layer.d), random.normals(5 * layer.experts)];
      const all = await run(layer, x, router, tally);
      for (let row = 0; row < 5; row++) {
        const alone = await run(
          layer,
          x.slice(row * layer.d, (row + 1) * layer.d),
          router.slice(row * layer.experts, (row + 1) * layer.experts),
          tally,
        );
        expect(bits(alone)).toEqual(bits(all.slice(row * layer.d, (row + 1) * layer.d)));
      }
    });
  });

  test("experts are the first ones among equals", async () => {
    const random = createRandom(62);
    const layer = await load(random, "f32", { experts: 4, used: 2, d: 32, hidden: 32 });
    const tally = backend().alloc("tally", [4]);
    await run(layer, random.normals(2 * 32), Float32Array.of(1, 3, 3, 3, -1, -1, -2, -1), tally);
    expect(Array.from(await download(backend(), tally))).toEqual([1, 2, 1, 0]);
  });

  test("experts that nobody takes are not read", async () => {
    const random = createRandom(63);
    const layer = await load(random, "f32", { experts: 3, used: 1, d: 32, hidden: 32 });
    const poisoned = layer.values.down.slice();
    poisoned.fill(NaN, 32 * 32, 2 * 32 * 32);
    const bytes = new Uint8Array(poisoned.buffer);
    const down = await loadBytes(backend(), "f32", [3, 32, 32], bytes);
    const tally = backend().alloc("tally", [3]);
    const [x, router] = [random.normals(32), Float32Array.of(2, 1, 0)];
    const actual = await run({ ...layer, tensors: { ...layer.tensors, down } }, x, router, tally);
    expect(bits(actual)).toEqual(bits(await run(layer, x, router, tally)));
  });

  test("experts of shapes that do not fit are a RangeError", async () => {
    const random = createRandom(64);
    const layer = await load(random, "f32", { experts: 3, used: 2, d: 32, hidden: 32 });
    const tally = backend().alloc("tally", [3]);
    const [x, router] = [random.normals(32), random.normals(3)];
    const wrong: readonly Promise<unknown>[] = [
      run({ ...layer, used: 4 }, x, router, tally),
      run({ ...layer, used: 0 }, x, router, tally),
      run({ ...layer, experts: 4 }, x, random.normals(4), tally),
      run(layer, x, router, backend().alloc("tally", [2])),
    ];
    for (const each of wrong) await expect(each).rejects.toThrow(RangeError);
  });
}

/** The definition in float64; adds to `counts`. */
function plainExperts(
  { experts, used, d, hidden, values }: Loaded,
  x: Float32Array,
  router: Float32Array,
  counts: Float32Array,
): Float64Array {
  const out = new Float64Array(x.length);
  for (let row = 0; row * d < x.length; row++) {
    const input = x.subarray(row * d, (row + 1) * d);
    const choice = Array.from({ length: experts }, (_, expert) => router[row * experts + expert]!);
    const chosen = [...choice.keys()].toSorted((a, b) => choice[b]! - choice[a]!).slice(0, used);
    const total = chosen.reduce((sum, expert) => sum + Math.exp(choice[expert]!), 0);
    for (const expert of chosen) {
      counts[expert]! += 1;
      const up = times(values.up, expert, hidden, input);
      const gated = times(values.gate, expert, hidden, input).map(
        (value, i) => (value / (1 + Math.exp(-value))) * up[i]!,
      );
      const answer = times(values.down, expert, d, gated);
      for (let c = 0; c < d; c++) {
        out[row * d + c]! += (Math.exp(choice[expert]!) / total) * answer[c]!;
      }
    }
  }
  return out;
}

/** The product of one expert's matrix with a row. */
function times(
  matrix: Float32Array,
  expert: number,
  rows: number,
  input: ArrayLike<number>,
): Float64Array {
  return Float64Array.from({ length: rows }, (_, row) => {
    const at = (expert * rows + row) * input.length;
    let sum = 0;
    for (let c = 0; c < input.length; c++) sum += matrix[at + c]! * input[c]!;
    return sum;
  });
}
