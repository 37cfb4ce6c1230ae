import { erf } from "../../core/numeric/erf.ts";
import type { Ops } from "../../core/tensor/backend.ts";
import { ACTIVATIONS } from "./activations.ts";
import { attention } from "./attention.ts";
import { experts } from "./experts.ts";
import { addLowRank } from "./low-rank.ts";
import { multiply } from "./multiply.ts";
import type { ReferenceTensor } from "./tensors.ts";
import { expectShape, own } from "./tensors.ts";

/**
 * The operations as plain loops: sums in float64, results rounded to float32 once. A row's result
 * depends on that row alone, so neither batching nor chunking changes a bit.
 */
export const referenceOps: Ops = {
  embed(out, table, tokens) {
    copyRows("embed", own(out), own(table), tokens);
  },

  rmsNorm(out, x, weight, eps) {
    const [o, i, w] = [own(out), own(x), own(weight)];
    const width = w.rows;
    expectShape("normalise", o, i.rows, i.width);
    expectShape("normalise", w, width, 1);
    if (i.width % width !== 0) {
      throw new RangeError(`Cannot normalise ${i.width} values by "${w.label}" of ${width}`);
    }
    for (let base = 0; base < i.rows * i.width; base += width) {
      let squares = 0;
      for (let c = 0; c < width; c++) squares += i.values[base + c]! * i.values[base + c]!;
      const scale = 1 / Math.sqrt(squares / width + eps);
      for (let c = 0; c < width; c++) {
        o.values[base + c] = i.values[base + c]! * scale * w.values[c]!;
      }
    }
  },

  layerNorm(out, x, weight, bias, eps) {
    const [o, i, w, b] = [own(out), own(x), own(weight), own(bias)];
    const width = i.width;
    expectShape("normalise", o, i.rows, width);
    expectShape("normalise", w, width, 1);
    expectShape("normalise", b, width, 1);
    for (let base = 0; base < i.rows * width; base += width) {
      let sum = 0;
      for (let c = 0; c < width; c++) sum += i.values[base + c]!;
      const mean = sum / width;
      let squares = 0;
      for (let c = 0; c < width; c++) squares += (i.values[base + c]! - mean) ** 2;
      const scale = 1 / Math.sqrt(squares / width + eps);
      for (let c = 0; c < width; c++) {
        o.values[base + c] = (i.values[base + c]! - mean) * scale * w.values[c]! + b.values[c]!;
      }
    }
  },

  matmul(x, products) {
    const a = own(x);
    for (const { weight, out, bias } of products) {
      const [w, o] = [own(weight), own(out)];
      expectShape("multiply", w, w.rows, a.width);
      expectShape("multiply", o, a.rows, w.rows);
      multiply(o.values, a.values, w.values, a.rows, w.rows, a.width);
      if (bias === undefined) continue;
      const b = own(bias);
      expectShape("multiply", b, w.rows, 1);
      for (let c = 0; c < a.rows * w.rows; c++) o.values[c]! += b.values[c % w.rows]!;
    }
  },

  rope(x, rotation, style) {
    const [t, turns] = [own(x), own(rotation)];
    const headDim = t.shape.at(-1)!;
    const pairs = turns.width / 2;
    expectShape("rotate", turns, t.rows, turns.width);
    if (2 * pairs > headDim) {
      throw new RangeError(`Cannot rotate "${t.label}": heads of ${headDim}, ${2 * pairs} rotate`);
    }
    const [step, apart] = style === "norm" ? [2, 1] : [1, pairs];
    for (let row = 0; row < t.rows; row++) {
      for (let head = row * t.width; head < (row + 1) * t.width; head += headDim) {
        for (let i = 0; i < pairs; i++) {
          const cos = turns.values[2 * (row * pairs + i)]!;
          const sin = turns.values[2 * (row * pairs + i) + 1]!;
          const first = head + i * step;
          const a = t.values[first]!;
          const b = t.values[first + apart]!;
          t.values[first] = a * cos - b * sin;
          t.values[first + apart] = a * sin + b * cos;
        }
      }
    }
  },

  attention,

  gatedMatmul(x, gate, up, activation) {
    referenceOps.matmul(x, [gate, up]);
    referenceOps.gate(gate.out, up.out, activation);
  },

  gate(gate, up, activation = "silu") {
    const [g, u] = [own(gate), own(up)];
    expectShape("gate", u, g.rows, g.width);
    const size = g.rows * g.width;
    const activate = ACTIVATIONS[activation];
    for (let i = 0; i < size; i++) g.values[i] = activate(g.values[i]!) * u.values[i]!;
  },

  addLowRank,

  experts,

  gelu(x) {
    const { values, rows, width } = own(x);
    for (let i = 0; i < rows * width; i++) {
      values[i] = (values[i]! * (1 + erf(values[i]! / Math.SQRT2))) / 2;
    }
  },

  scale(x, factor) {
    const { values, rows, width } = own(x);
    for (let i = 0; i < rows * width; i++) values[i]! *= factor;
  },

  addTo(x, y) {
    const [a, b] = [own(x), own(y)];
    expectShape("add", b, a.rows, a.width);
    const size = a.rows * a.width;
    for (let i = 0; i < size; i++) a.values[i] = a.values[i]! + b.values[i]!;
  },

  gather(out, x, rows) {
    copyRows("gather", own(out), own(x), rows);
  },
};

/** out[i] = table[rows[i]]; `out` may share memory with `table` only where no row moves. */
function copyRows(
  operation: string,
  out: ReferenceTensor,
  table: ReferenceTensor,
  rows: Uint32Array,
): void {
  const width = table.width;
  expectShape(operation, out, rows.length, width);
  for (const [i, row] of rows.entries()) {
    if (row >= table.rows) {
      throw new RangeError(
        `Cannot ${operation} row ${row}: "${table.label}" has ${table.rows} rows`,
      );
    }
    out.values.set(table.values.subarray(row * width, (row + 1) * width), i * width);
  }
}
