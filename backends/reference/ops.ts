import type { Ops } from "../../core/tensor/backend.ts";
import { attention } from "./attention.ts";
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
    const width = i.width;
    expectShape("normalise", o, i.rows, width);
    expectShape("normalise", w, width, 1);
    for (let row = 0; row < i.rows; row++) {
      const base = row * width;
      let squares = 0;
      for (let c = 0; c < width; c++) squares += i.values[base + c]! * i.values[base + c]!;
      const scale = 1 / Math.sqrt(squares / width + eps);
      for (let c = 0; c < width; c++) {
        o.values[base + c] = i.values[base + c]! * scale * w.values[c]!;
      }
    }
  },

  matmul(x, products) {
    const a = own(x);
    for (const { weight, out } of products) {
      const [w, o] = [own(weight), own(out)];
      expectShape("multiply", w, w.rows, a.width);
      expectShape("multiply", o, a.rows, w.rows);
      multiply(o.values, a.values, w.values, a.rows, w.rows, a.width);
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

  gatedMatmul(x, gate, up) {
    referenceOps.matmul(x, [gate, up]);
    const [g, u] = [own(gate.out), own(up.out)];
    expectShape("gate", u, g.rows, g.width);
    const size = g.rows * g.width;
    for (let i = 0; i < size; i++) {
      const value = g.values[i]!;
      g.values[i] = (value / (1 + Math.exp(-value))) * u.values[i]!;
    }
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

/** out[n, m] = x[n, k] · w[m, k]ᵀ */
function multiply(
  out: Float32Array,
  x: Float32Array,
  w: Float32Array,
  n: number,
  m: number,
  k: number,
): void {
  // Four sums at once share each load of x and need not wait for each other's additions. Every sum
  // runs over c in order, so that its bits depend on neither n nor m.
  const whole = m - (m % 4);
  for (let column = 0; column < whole; column += 4) {
    const w0 = column * k;
    const w1 = w0 + k;
    const w2 = w1 + k;
    const w3 = w2 + k;
    for (let row = 0; row < n; row++) {
      const from = row * k;
      let s0 = 0;
      let s1 = 0;
      let s2 = 0;
      let s3 = 0;
      for (let c = 0; c < k; c++) {
        const value = x[from + c]!;
        s0 += value * w[w0 + c]!;
        s1 += value * w[w1 + c]!;
        s2 += value * w[w2 + c]!;
        s3 += value * w[w3 + c]!;
      }
      const to = row * m + column;
      out[to] = s0;
      out[to + 1] = s1;
      out[to + 2] = s2;
      out[to + 3] = s3;
    }
  }
  for (let column = whole; column < m; column++) {
    for (let row = 0; row < n; row++) {
      let sum = 0;
      for (let c = 0; c < k; c++) sum += x[row * k + c]! * w[column * k + c]!;
      out[row * m + column] = sum;
    }
  }
}
