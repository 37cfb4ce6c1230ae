import { describe, expect, test } from "vitest";
import type { Backend } from "../../../core/tensor/backend.ts";
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

/** Normalisation, rotation, gating, addition and row copies. */
export function elementwiseTests({ backend, tolerance }: BackendSuite): void {
  describe("rmsNorm", () => {
    test("divides each row by its root mean square and scales by the weight", async () => {
      const random = createRandom(10);
      for (const [n, width] of SHAPES) {
        const [x, w] = [random.normals(n * width), random.normals(width)];
        const weight = await loadValues(backend(), [width], w);
        const input = upload(backend(), [n, width], x);
        const out = backend().alloc("out", [n, width]);
        await backend().run((ops) => ops.rmsNorm(out, input, weight, 1e-5));
        const expected = x.map((value, i) => {
          const row = x.subarray(i - (i % width), i - (i % width) + width);
          const mean = row.reduce((sum, v) => sum + v * v, 0) / width;
          return (value / Math.sqrt(mean + 1e-5)) * w[i % width]!;
        });
        const actual = await download(backend(), out);
        expect(relativeError(actual, expected)).toBeLessThanOrEqual(tolerance);
        expect(await download(backend(), input)).toEqual(x);
      }
    });

    test("works in place", async () => {
      const x = createRandom(11).normals(3 * 64);
      const weight = await loadValues(backend(), [64], new Float32Array(64).fill(2));
      const apart = backend().alloc("out", [3, 64]);
      const same = upload(backend(), [3, 64], x);
      const input = upload(backend(), [3, 64], x);
      await backend().run((ops) => {
        ops.rmsNorm(apart, input, weight, 1e-6);
        ops.rmsNorm(same, same, weight, 1e-6);
      });
      expect(bits(await download(backend(), same))).toEqual(bits(await download(backend(), apart)));
    });

    test("uses eps: a row of zeros stays zero", async () => {
      const weight = await loadValues(backend(), [8], new Float32Array(8).fill(1));
      const x = backend().alloc("zeros", [1, 8]);
      await backend().run((ops) => ops.rmsNorm(x, x, weight, 1e-5));
      expect(await download(backend(), x)).toEqual(new Float32Array(8));
    });
  });

  describe.for(["norm", "neox"] as const)("rope in %s style", (style) => {
    test("rotates the first dims of each head and leaves the others", async () => {
      const random = createRandom(12);
      for (const [n, heads, headDim, dims] of [
        [1, 1, 2, 2],
        [3, 4, 8, 8],
        [2, 3, 64, 64],
        [5, 2, 64, 32],
        [2, 2, 10, 6],
        [9, 1, 128, 2],
      ] as const) {
        const values = random.normals(n * heads * headDim);
        const angles = random.normals((n * dims) / 2);
        const turns = Float32Array.from({ length: n * dims }, (_, i) => {
          const angle = angles[i >> 1]!;
          return i % 2 === 0 ? Math.cos(angle) : Math.sin(angle);
        });
        const x = upload(backend(), [n, heads, headDim], values);
        const rotation = upload(backend(), [n, dims / 2, 2], turns);
        await backend().run((ops) => ops.rope(x, rotation, style));

        const expected = Float64Array.from(values);
        for (let head = 0; head < n * heads; head++) {
          for (let i = 0; i < dims / 2; i++) {
            const angle = angles[(Math.floor(head / heads) * dims) / 2 + i]!;
            const a = head * headDim + (style === "norm" ? 2 * i : i);
            const b = style === "norm" ? a + 1 : a + dims / 2;
            // As complex numbers: (a + ib) · e^(i·angle).
            expected[a] = values[a]! * Math.cos(angle) - values[b]! * Math.sin(angle);
            expected[b] = values[a]! * Math.sin(angle) + values[b]! * Math.cos(angle);
          }
        }
        const actual = await download(backend(), x);
        expect(relativeError(actual, expected)).toBeLessThanOrEqual(tolerance);
        for (let head = 0; head < n * heads; head++) {
          const rest = actual.slice(head * headDim + dims, (head + 1) * headDim);
          expect(rest).toEqual(values.slice(head * headDim + dims, (head + 1) * headDim));
        }
      }
    });

    test("uses the rows of a rotation table that is larger than the step", async () => {
      const x = upload(backend(), [1, 1, 4], Float32Array.of(1, 2, 3, 4));
      const table = upload(backend(), [3, 2, 2], Float32Array.of(-1, 0, -1, 0, 9, 9, 9, 9));
      await backend().run((ops) => ops.rope(x, backend().view(table, 1), style));
      expect(Array.from(await download(backend(), x))).toEqual([-1, -2, -3, -4]);
    });
  });

  describe("gatedMatmul", () => {
    test("is silu(gate) · up of the two products", async () => {
      const random = createRandom(13);
      for (const [n, width] of SHAPES) {
        const gates = random.normals(n * width).map((value) => 4 * value);
        const ups = random.normals(n * width);
        const expected = Float64Array.from(
          gates,
          (value, i) => (value / (1 + Math.exp(-value))) * ups[i]!,
        );
        const actual = await gated(backend(), n, width, gates, ups);
        expect(relativeError(actual, expected)).toBeLessThanOrEqual(tolerance);
      }
    });

    test("does not overflow for gates far from zero", async () => {
      const gates = Float32Array.of(-1000, -100, 0, 100, 1000);
      const actual = await gated(backend(), 1, 5, gates, Float32Array.of(1, 1, 1, 1, 1));
      expect(relativeError(actual, [0, 0, 0, 100, 1000])).toBeLessThanOrEqual(tolerance);
    });
  });

  test("addTo adds in float32", async () => {
    const random = createRandom(14);
    for (const [n, width] of SHAPES) {
      const [a, b] = [random.normals(n * width), random.normals(n * width)];
      const [x, y] = [upload(backend(), [n, width], a), upload(backend(), [n, width], b)];
      await backend().run((ops) => ops.addTo(x, y));
      expect(await download(backend(), x)).toEqual(a.map((value, i) => value + b[i]!));
    }
  });

  test("gather copies the chosen rows in the chosen order", async () => {
    const values = createRandom(15).normals(7 * 33);
    const x = upload(backend(), [7, 33], values);
    const rows = Uint32Array.of(6, 0, 3, 3);
    const out = backend().alloc("out", [4, 33]);
    await backend().run((ops) => ops.gather(out, x, rows));
    const actual = await download(backend(), out);
    for (const [i, row] of rows.entries()) {
      expect(actual.slice(i * 33, (i + 1) * 33)).toEqual(values.slice(row * 33, (row + 1) * 33));
    }
  });

  test("operations of one run see what the ones before have written", async () => {
    const x = upload(backend(), [2, 3], Float32Array.of(1, 2, 3, 4, 5, 6));
    const last = backend().alloc("last", [1, 3]);
    await backend().run((ops) => {
      ops.addTo(x, x);
      ops.addTo(x, x);
      ops.gather(last, x, Uint32Array.of(1));
      ops.addTo(last, last);
    });
    expect(Array.from(await download(backend(), last))).toEqual([32, 40, 48]);
  });
}

/** silu(gate) · up of plain values: products that pick them out of x = [gate, up]. */
async function gated(
  backend: Backend,
  n: number,
  width: number,
  gates: Float32Array,
  ups: Float32Array,
): Promise<Float32Array> {
  const both = new Float32Array(2 * n * width);
  for (let row = 0; row < n; row++) {
    both.set(gates.subarray(row * width, (row + 1) * width), 2 * row * width);
    both.set(ups.subarray(row * width, (row + 1) * width), (2 * row + 1) * width);
  }
  const pick = (offset: number): Float32Array => {
    const rows = new Float32Array(2 * width * width);
    for (let i = 0; i < width; i++) rows[i * 2 * width + offset + i] = 1;
    return rows;
  };
  const x = upload(backend, [n, 2 * width], both);
  const gate = {
    weight: await loadValues(backend, [width, 2 * width], pick(0)),
    out: backend.alloc("gate", [n, width]),
  };
  const up = {
    weight: await loadValues(backend, [width, 2 * width], pick(width)),
    out: backend.alloc("up", [n, width]),
  };
  await backend.run((ops) => ops.gatedMatmul(x, gate, up));
  return download(backend, gate.out);
}
