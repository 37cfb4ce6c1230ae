import { describe, expect, test } from "vitest";
import { createArena } from "../../backends/wasm/arena.ts";
import { instantiateKernels, kernelId } from "../../backends/wasm/kernels.ts";
import { KV_TYPES, kvHeadBytes } from "../../core/tensor/kv-type.ts";
import { kernelModule } from "../fixtures/kernels.ts";
import { createRandom } from "../fixtures/random.ts";

/** Rows of a unit of attention, and positions of a cache block. */
const TILE = 16;
const BLOCK = 16;

describe.for([...KV_TYPES])("attention over %s", (type) => {
  test("gives the same bits however its units are divided", async () => {
    const [heads, kvHeads, headDim, position, rows] = [10, 2, 36, 21, 37];
    const kernels = await instantiateKernels(kernelModule("simd128"));
    const arena = createArena(kernels.memory, kernels.heapBase);
    const run = (name: "kv_store" | "attention", args: number, first: number, last: number): void =>
      kernels.table[kernelId(`${name}_${type}`)]!(args, first, last);

    const random = createRandom(50);
    const put = (values: Float32Array): number => {
      const at = arena.take("values", values.byteLength);
      arena.floats.set(values, at / 4);
      return at;
    };
    const integers = (values: readonly number[]): number => {
      const at = arena.take("integers", values.length * 4);
      arena.words.set(values, at / 4);
      return at;
    };
    const positions = position + rows;
    const count = Math.ceil(positions / BLOCK);
    const cache = arena.take("cache", count * BLOCK * kvHeads * 2 * kvHeadBytes(type, headDim));
    const keys = put(random.normals(positions * kvHeads * headDim));
    const values = put(random.normals(positions * kvHeads * headDim));
    const slots = integers(Array.from({ length: positions }, (_, i) => i));
    const blocks = integers(Array.from({ length: count }, (_, i) => i));
    const store = integers([cache, keys, values, slots, positions, kvHeads, headDim]);
    for (let head = 0; head < kvHeads; head++) run("kv_store", store, head, head + 1);

    const q = put(random.normals(rows * heads * headDim));
    const size = rows * heads * headDim;
    const out = arena.take("out", size * 4);
    const args = integers([out, q, cache, blocks, position, rows, heads, kvHeads, headDim, 30, 0]);
    arena.floats[args / 4 + 10] = 0.2;
    const units = Math.ceil(rows / TILE) * heads;
    const resultOf = (cuts: readonly number[]): Uint32Array => {
      arena.floats.fill(NaN, out / 4, out / 4 + size);
      const ends = [...new Set([0, ...cuts, units])].toSorted((a, b) => a - b);
      // Last first: units may come in any order.
      for (let i = ends.length - 1; i > 0; i--) run("attention", args, ends[i - 1]!, ends[i]!);
      return arena.words.slice(out / 4, out / 4 + size);
    };

    const whole = resultOf([]);
    expect(arena.f32(out, size).every(Number.isFinite)).toBe(true);
    expect(resultOf(Array.from({ length: units }, (_, i) => i))).toEqual(whole);
    for (let i = 0; i < 20; i++) {
      const cuts = Array.from({ length: random.int(1, 6) }, () => random.int(0, units));
      expect(resultOf(cuts), `cut at ${cuts.join(", ")}`).toEqual(whole);
    }
  });
});
