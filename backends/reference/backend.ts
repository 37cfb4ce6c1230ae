import { dequantize } from "../../core/quant/dequantize.ts";
import type { Backend } from "../../core/tensor/backend.ts";
import { checkQuery } from "../../core/tensor/logits.ts";
import { reduceLogits } from "../../core/tensor/reduce-logits.ts";
import { byteLength } from "../../core/tensor/dtype.ts";
import { referenceOps } from "./ops.ts";
import { allocate, own, ownKv, ReferenceKv, ReferenceTensor, sizeOf, slotsOf } from "./tensors.ts";

/** Bytes of so many float32 values in all. */
function floats(counts: readonly number[]): number {
  return Float32Array.BYTES_PER_ELEMENT * counts.reduce((sum, count) => sum + count, 0);
}

/** Bytes asked for at once: few calls, and the file's bytes are never all held beside the values. */
const READ_BYTES = 2 ** 20;

/**
 * Plain loops over float32 arrays: the oracle that every other backend is tested against, and what
 * runs where there is neither WebAssembly nor a GPU.
 *
 * Weights are dequantised once, at load; activations and the cache are float32; sums are float64. It
 * uses `Math.exp`, so between JavaScript engines results may differ in the last bit.
 */
export function createReferenceBackend(): Backend {
  let weights = 0;
  let kv = 0;
  let activations = 0;

  return {
    name: "reference",
    threads: 1,
    kvBlock: 1,

    async loadWeight(label, dtype, shape, read) {
      const values = allocate(label, shape);
      const columns = shape.at(-1) ?? 1;
      const rowBytes = byteLength(dtype, columns);
      const rows = values.length / columns;
      const rowsAtOnce = Math.max(1, Math.floor(READ_BYTES / rowBytes));
      for (let row = 0; row < rows; row += rowsAtOnce) {
        const end = Math.min(rows, row + rowsAtOnce);
        const bytes = new Uint8Array((end - row) * rowBytes);
        await read(row * rowBytes, bytes);
        dequantize(dtype, bytes, values.subarray(row * columns, end * columns));
      }
      weights += values.byteLength;
      return new ReferenceTensor(label, dtype, shape, values);
    },

    alloc(label, shape) {
      const values = allocate(label, shape);
      activations += values.byteLength;
      return new ReferenceTensor(label, "f32", shape, values);
    },

    allocKv(label, slots, shape) {
      const layer = new ReferenceKv(label, slots, shape);
      kv += layer.keys.byteLength + layer.values.byteLength;
      return layer;
    },

    // eslint-disable-next-line typescript/require-await
    async readKv(layer, first, count) {
      const { keys, values, from, to } = slotsOf(layer, first, count);
      const bytes = new Float32Array(2 * (to - from));
      bytes.set(keys.subarray(from, to));
      bytes.set(values.subarray(from, to), to - from);
      return new Uint8Array(bytes.buffer);
    },

    writeKv(layer, first, bytes) {
      const { kvHeads, headDim } = ownKv(layer);
      const count = bytes.byteLength / (2 * kvHeads * headDim * Float32Array.BYTES_PER_ELEMENT);
      const { keys, values, from, to } = slotsOf(layer, first, count);
      const copy = new Float32Array(bytes.slice().buffer);
      keys.set(copy.subarray(0, to - from), from);
      values.set(copy.subarray(to - from), from);
    },

    zeroKv(layer, first, count) {
      const { keys, values, from, to } = slotsOf(layer, first, count);
      keys.fill(0, from, to);
      values.fill(0, from, to);
    },

    view(tensor, rows) {
      const whole = own(tensor);
      if (!Number.isInteger(rows) || rows < 0 || rows > whole.rows) {
        throw new RangeError(`Cannot view ${rows} rows of "${whole.label}": it has ${whole.rows}`);
      }
      const shape = [rows, ...whole.shape.slice(1)];
      const values = whole.values.subarray(0, sizeOf(shape));
      return new ReferenceTensor(whole.label, whole.dtype, shape, values);
    },

    write(tensor, values) {
      const target = own(tensor);
      if (values.length > target.values.length) {
        throw new RangeError(
          `Cannot write ${values.length} values to "${target.label}": it holds ${target.values.length}`,
        );
      }
      target.values.set(values);
    },

    // An async function turns what these throw into a rejection.
    // eslint-disable-next-line typescript/require-await
    async read(tensor) {
      return own(tensor).values;
    },

    // eslint-disable-next-line typescript/require-await
    async reduce(logits, queries) {
      const { label, values, rows, width } = own(logits);
      return queries.map((query) => {
        checkQuery(query, label, rows);
        return reduceLogits(values.subarray(query.row * width, (query.row + 1) * width), query);
      });
    },

    // eslint-disable-next-line typescript/require-await
    async run(record) {
      record(referenceOps);
    },

    need({ weights: all, activations: shapes, caches }) {
      return {
        weights: floats(all.map(({ shape }) => sizeOf(shape))),
        kv: floats(caches.map(({ slots, shape }) => 2 * slots * shape.kvHeads * shape.headDim)),
        activations: floats(shapes.map(sizeOf)),
        limit: Infinity,
      };
    },

    memory: () => ({ weights, kv, activations }),
    close: () => Promise.resolve(),
  };
}
