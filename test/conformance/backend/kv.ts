import { describe, expect, test } from "vitest";
import type { Backend, BatchLayout, KvLayer } from "../../../core/tensor/backend.ts";
import { KV_TYPES } from "../../../core/tensor/kv-type.ts";
import { createRandom } from "../../fixtures/random.ts";
import type { BackendSuite } from "../backend.ts";
import { bits, download, FOREIGN, upload } from "./tensors.ts";

const HEADS = 4;
const KV_HEADS = 2;
const HEAD_DIM = 40;
const BLOCKS = 4;

/** Rows of one sequence from position `from` on; `blocks` are all of its blocks. */
function layoutOf(
  size: number,
  blocks: readonly number[],
  from: number,
  count: number,
): BatchLayout {
  const positions = Uint32Array.from({ length: count }, (_, i) => from + i);
  return {
    positions,
    slots: positions.map((at) => blocks[Math.floor(at / size)]! * size + (at % size)),
    starts: Uint32Array.of(0, count),
    blocks: Uint32Array.from(blocks),
    blockSize: size,
  };
}

/** Store keys and values at a layout's slots, and attend. */
async function attend(
  backend: Backend,
  kv: KvLayer,
  layout: BatchLayout,
  [q, k, v]: readonly [Float32Array, Float32Array, Float32Array],
): Promise<Float32Array> {
  const rows = layout.positions.length;
  const [query, key, value] = [
    upload(backend, [rows, HEADS, HEAD_DIM], q),
    upload(backend, [rows, KV_HEADS, HEAD_DIM], k),
    upload(backend, [rows, KV_HEADS, HEAD_DIM], v),
  ];
  const out = backend.alloc("out", [rows, HEADS, HEAD_DIM]);
  await backend.run((ops) => ops.attention(out, query, key, value, kv, layout, { scale: 1 }));
  return download(backend, out);
}

/** What a cache holds beyond attention: erasing it. */
export function kvTests({ backend }: BackendSuite): void {
  describe("zeroKv", () => {
    test.for(KV_TYPES)(
      "leaves nothing of keys and values cached as %s, and all others",
      async (type) => {
        const size = Math.ceil(16 / backend().kvBlock) * backend().kvBlock;
        const random = createRandom(5);
        const shape = { kvHeads: KV_HEADS, headDim: HEAD_DIM, type };
        const kv = backend().allocKv("cache", BLOCKS * size, shape);
        const rows = 3 * size;
        const width = KV_HEADS * HEAD_DIM;
        const inputs = [
          random.normals(rows * HEADS * HEAD_DIM),
          random.normals(rows * width),
          random.normals(rows * width),
        ] as const;
        // The middle of the cache is erased; blocks of a sequence are in no order.
        const blocks = [3, 0, 1];
        await attend(backend(), kv, layoutOf(size, blocks, 0, rows), inputs);
        const last = inputs.map((values, i) => {
          const each = i === 0 ? HEADS * HEAD_DIM : width;
          return values.subarray((2 * size - 1) * each, 2 * size * each);
        }) as [Float32Array, Float32Array, Float32Array];
        const untouched = layoutOf(size, blocks.slice(0, 2), 2 * size - 1, 1);
        const before = await attend(backend(), kv, untouched, last);

        backend().zeroKv(kv, size, 2 * size);

        const after = await attend(backend(), kv, untouched, last);
        expect(bits(after)).toEqual(bits(before));
        // One row with a key of zeros sees the rest of both blocks: were a key there, it would weigh more or
        // less than the others; were a value there, it would show.
        const query = random.normals(HEADS * HEAD_DIM);
        const key = new Float32Array(width);
        const value = new Float32Array(width).fill(2 * size);
        for (const order of [
          [1, 2],
          [2, 1],
        ]) {
          backend().zeroKv(kv, size, 2 * size);
          const layout = layoutOf(size, order, 2 * size - 1, 1);
          const seen = await attend(backend(), kv, layout, [query, key, value]);
          for (const one of seen) expect(one).toBeCloseTo(1, 3);
        }
      },
    );

    test("comes before what is stored next", async () => {
      const size = Math.ceil(16 / backend().kvBlock) * backend().kvBlock;
      const kv = backend().allocKv("cache", size, {
        kvHeads: KV_HEADS,
        headDim: HEAD_DIM,
        type: "f32",
      });
      const one = new Float32Array(KV_HEADS * HEAD_DIM).fill(1);
      const query = new Float32Array(HEADS * HEAD_DIM);
      await attend(backend(), kv, layoutOf(size, [0], 0, 1), [query, one, one]);
      backend().zeroKv(kv, 0, size);
      await attend(backend(), kv, layoutOf(size, [0], 0, 1), [query, one, one]);
      const seen = await attend(backend(), kv, layoutOf(size, [0], 1, 1), [query, one, one]);
      for (const value of seen) expect(value).toBeCloseTo(1, 5);
    });

    test("of slots that are not there is a RangeError, of another's cache a TypeError", () => {
      const block = backend().kvBlock;
      const shape = { kvHeads: KV_HEADS, headDim: HEAD_DIM, type: "f32" } as const;
      const kv = backend().allocKv("cache", 16 * block, shape);
      for (const [first, count] of [
        [0, 17 * block],
        [16 * block, block],
        [-block, block],
        [0.5, block],
        [0, NaN],
      ] as const) {
        expect(() => backend().zeroKv(kv, first, count)).toThrow(RangeError);
      }
      expect(() => backend().zeroKv(FOREIGN, 0, block)).toThrow(TypeError);
    });
  });
}
