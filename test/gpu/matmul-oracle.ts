/** An exact product, and how much a difference from it weighs. */
export interface Exact {
  readonly value: number;
  /** Σ |terms|, of which errors are a fraction: a sum may be near zero by cancellation. */
  readonly size: number;
  /** Difference that is no error: a value just between two quants may become either. */
  readonly slack: number;
}

/** x as kernels see it, in float64, and by how much each value may differ from that. */
export interface Seen {
  readonly values: Float64Array;
  readonly slack: Float64Array;
}

/** Columns of x that share a scale when they are rounded to bytes. */
const GROUP = 32;
/** Distance from a tie, in quants, below which the rounding of a division may decide. */
const NEAR = 1e-3;

/** x as it is. */
export function asItIs(x: Float32Array): Seen {
  return { values: Float64Array.from(x), slack: new Float64Array(x.length) };
}

/** x rounded to signed bytes, 32 values under one scale. */
export function roundedToBytes(x: Float32Array): Seen {
  const values = new Float64Array(x.length);
  const slack = new Float64Array(x.length);
  for (let start = 0; start < x.length; start += GROUP) {
    const group = x.subarray(start, start + GROUP);
    const d = group.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127;
    for (const [i, value] of group.entries()) {
      const q = d > 0 ? value / d : 0;
      values[start + i] = Math.round(q) * d;
      if (Math.abs(Math.abs(q - Math.trunc(q)) - 0.5) < NEAR) slack[start + i] = d;
    }
  }
  return { values, slack };
}

/** x[token] · w[row] of x[n, k] and w[m, k], in float64. */
export function exactDot(x: Seen, w: Float32Array, k: number, token: number, row: number): Exact {
  let value = 0;
  let size = 0;
  let slack = 0;
  for (let c = 0; c < k; c++) {
    const term = x.values[token * k + c]! * w[row * k + c]!;
    value += term;
    size += Math.abs(term);
    slack += x.slack[token * k + c]! * Math.abs(w[row * k + c]!);
  }
  return { value, size, slack };
}

/** silu(gate) · up; an error of either counts by what it does to the result, |silu'| being below 1.1. */
export function exactGated(gate: Exact, up: Exact): Exact {
  const silu = gate.value / (1 + Math.exp(-gate.value));
  const spread = (g: number, u: number): number =>
    1.1 * g * Math.abs(up.value) + Math.abs(silu) * u + 1.1 * g * u;
  return {
    value: silu * up.value,
    size: 1.1 * gate.size * Math.abs(up.value) + Math.abs(silu) * up.size,
    slack: spread(gate.slack, up.slack),
  };
}
