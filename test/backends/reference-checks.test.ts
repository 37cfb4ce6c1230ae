import { describe, expect, test } from "vitest";
import { createReferenceBackend } from "../../backends/reference/backend.ts";
import type { Ops } from "../../core/tensor/backend.ts";
import type { Tensor } from "../../core/tensor/tensor.ts";

/** The oracle checks every shape, so that a wrong model fails here and not as wrong text elsewhere. */
describe("reference backend", () => {
  const backend = createReferenceBackend();
  const tensor = (...shape: number[]): Tensor => backend.alloc(`t[${shape.join()}]`, shape);
  const kv = backend.allocKv("cache", 8, { kvHeads: 2, headDim: 4, type: "f32" });
  const layout = {
    positions: Uint32Array.of(0),
    slots: Uint32Array.of(0),
    starts: Uint32Array.of(0, 1),
    blocks: Uint32Array.of(0),
    blockSize: 4,
  };
  const [q, k] = [tensor(1, 4, 4), tensor(1, 2, 4)];
  const scale = 1;

  test.for<readonly [string, (ops: Ops) => void]>([
    ["a token beyond the table", (ops) => ops.embed(tensor(1, 4), tensor(3, 4), Uint32Array.of(3))],
    ["a row beyond the input", (ops) => ops.gather(tensor(1, 4), tensor(3, 4), Uint32Array.of(9))],
    ["a norm of another width", (ops) => ops.rmsNorm(tensor(2, 4), tensor(2, 4), tensor(5), 1e-5)],
    [
      "a weight of another width",
      (ops) => ops.matmul(tensor(2, 4), [{ weight: tensor(3, 5), out: tensor(2, 3) }]),
    ],
    [
      "a product of another height",
      (ops) => ops.matmul(tensor(2, 4), [{ weight: tensor(3, 4), out: tensor(2, 4) }]),
    ],
    ["a rotation of other rows", (ops) => ops.rope(tensor(2, 1, 4), tensor(3, 2, 2), "norm")],
    ["a rotation wider than a head", (ops) => ops.rope(tensor(2, 1, 4), tensor(2, 3, 2), "norm")],
    [
      "a gate of another shape",
      (ops) =>
        ops.gatedMatmul(
          tensor(2, 4),
          { weight: tensor(3, 4), out: tensor(2, 3) },
          { weight: tensor(5, 4), out: tensor(2, 5) },
        ),
    ],
    ["a sum of another shape", (ops) => ops.addTo(tensor(2, 4), tensor(1, 4))],
    ["keys of other heads", (ops) => ops.attention(q, q, q, k, kv, layout, { scale })],
    [
      "queries that no key heads share",
      (ops) => ops.attention(tensor(1, 3, 4), tensor(1, 3, 4), k, k, kv, layout, { scale }),
    ],
    [
      "a slot beyond the cache",
      (ops) => ops.attention(q, q, k, k, kv, { ...layout, slots: Uint32Array.of(8) }, { scale }),
    ],
    [
      "a position without a block",
      (ops) =>
        ops.attention(q, q, k, k, kv, { ...layout, positions: Uint32Array.of(4) }, { scale }),
    ],
  ])("refuses %s", async ([, record]) => {
    await expect(backend.run(record)).rejects.toThrow(RangeError);
  });
});
