import type { LowRank } from "../../core/tensor/backend.ts";
import { kernelId } from "./kernels.ts";
import type { OpsContext } from "./ops.ts";
import { createScratch } from "./scratch.ts";
import { isQuantized, PANEL_ROWS, type WasmTensor } from "./tensors.ts";

/** Nanoseconds of a multiply-add and of an element that is scaled or added: what is worth sharing. */
const MULTIPLY_NS = 0.03;
const ELEMENT_NS = 0.3;

/** Runs of one region: fewer than a pool's parts, and enough that more of them cost nothing to speak of. */
const RUNS_AT_ONCE = 64;

const SCALE = kernelId("scale");
const ADD_TO = kernelId("add_to");

/** Consecutive rows that have the same scale, which is not 0. */
interface Run {
  readonly first: number;
  readonly rows: number;
  readonly scale: number;
}

/** Units of a run, and nanoseconds of each. */
interface UnitWork {
  readonly units: number;
  readonly each: number;
}

/** Adds a product of low rank, see {@linkcode Ops.addLowRank}. */
export type AddLowRank = (
  out: WasmTensor,
  x: WasmTensor,
  factors: LowRank,
  scales: Float32Array,
) => void;

/**
 * Down to the rank, scaled there, up again, and added: the kernels that multiply with weights of floats, for the rows
 * that take part and no others. Each sum runs over ascending columns, so that a row's bits depend on that row alone.
 */
export function createLowRank({ args, executor, own, scratch }: OpsContext): AddLowRank {
  const inner = createScratch(scratch);
  const outer = createScratch(scratch);

  /** A region with a part of `units` units for each run. */
  const forEach = (
    runs: readonly Run[],
    cost: (run: Run) => UnitWork,
    kernel: number,
    put: (run: Run) => number,
  ): void => {
    for (let from = 0; from < runs.length; from += RUNS_AT_ONCE) {
      for (const run of runs.slice(from, from + RUNS_AT_ONCE)) {
        const { units, each } = cost(run);
        executor.part(units, each);
        executor.step(kernel, put(run));
      }
      executor.run();
    }
  };

  return (out, x, factors, scales) => {
    const [down, up] = [own(factors.down), own(factors.up)];
    check(out, x, down, up, scales);
    const [k, rank, m] = [x.width, down.rows, out.width];
    const runs = runsOf(scales);
    const t = inner.at(4 * x.rows * rank);
    const delta = outer.at(4 * x.rows * m);
    forEach(runs, product(rank, k), down.matmul, (run) =>
      args.put(at(t, run, rank), down.offset, at(x.offset, run, k), run.rows, rank, k),
    );
    forEach(runs, rowwise(rank), SCALE, (run) =>
      args.putFloat(run.scale * factors.gain, at(t, run, rank), rank),
    );
    forEach(runs, product(m, rank), up.matmul, (run) =>
      args.put(at(delta, run, m), up.offset, at(t, run, rank), run.rows, m, rank),
    );
    forEach(runs, rowwise(m), ADD_TO, (run) =>
      args.put(at(out.offset, run, m), at(delta, run, m), m),
    );
  };
}

/** Where a run's rows begin in a tensor of rows of this width. */
function at(offset: number, { first }: Run, width: number): number {
  return offset + 4 * first * width;
}

/** The work of a product with a matrix, by its panels. */
function product(rows: number, columns: number): (run: Run) => UnitWork {
  return (run) => ({
    units: Math.ceil(rows / PANEL_ROWS),
    each: run.rows * PANEL_ROWS * columns * MULTIPLY_NS,
  });
}

/** The work of going over rows of this width. */
function rowwise(width: number): (run: Run) => UnitWork {
  return ({ rows }) => ({ units: rows, each: width * ELEMENT_NS });
}

function runsOf(scales: Float32Array): readonly Run[] {
  const runs: Run[] = [];
  for (let first = 0; first < scales.length;) {
    const scale = scales[first]!;
    let end = first + 1;
    while (end < scales.length && scales[end] === scale) end++;
    if (scale !== 0) runs.push({ first, rows: end - first, scale });
    first = end;
  }
  return runs;
}

/** Shapes must agree: the kernels trust them. */
function check(
  out: WasmTensor,
  x: WasmTensor,
  down: WasmTensor,
  up: WasmTensor,
  scales: Float32Array,
): void {
  const [rank = 0, k = 0] = down.shape;
  const [m = 0, inner = 0] = up.shape;
  const factors = [down, up].every(({ panels, dtype }) => panels && !isQuantized(dtype));
  const rows = out.rows === x.rows && scales.length === x.rows;
  if (factors && rows && inner === rank && k === x.width && m === out.width) return;
  throw new RangeError(
    `Cannot add a low rank to "${out.label}" [${out.shape.join(", ")}]: "${down.label}" is ${down.dtype} ` +
      `[${down.shape.join(", ")}], "${up.label}" ${up.dtype} [${up.shape.join(", ")}], "${x.label}" ` +
      `[${x.shape.join(", ")}], and ${scales.length} rows are scaled`,
  );
}
