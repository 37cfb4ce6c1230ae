import type { LowRank, Ops } from "../../core/tensor/backend.ts";
import { kernelId } from "./kernels.ts";
import type { OpsContext } from "./ops.ts";
import { createScratch } from "./scratch.ts";
import { isQuantized, WasmTensor } from "./tensors.ts";

/** Nanoseconds of an element that is scaled or added: what is worth sharing. */
const ELEMENT_NS = 0.3;

/** Runs of one region: fewer than a pool's parts, and enough that another region costs nothing to speak of. */
const RUNS_AT_ONCE = 64;

/** Above every width: tells shapes apart. */
const WIDTHS = 2 ** 21;

const SCALE = kernelId("scale");
const ADD_TO = kernelId("add_to");

/** Consecutive rows that have the same scale, which is not 0. */
interface Run {
  readonly first: number;
  readonly rows: number;
  readonly scale: number;
  /** Where they begin among the rows that take part. */
  readonly place: number;
}

/** Adds a product of low rank with `ops` for the products, see {@linkcode Ops.addLowRank}. */
export type AddLowRank = (
  ops: Pick<Ops, "matmul">,
  out: WasmTensor,
  x: WasmTensor,
  factors: LowRank,
  scales: Float32Array,
) => void;

/**
 * Down to the rank, scaled there, up again, and added: with the kernels for weights of floats, for the rows that take
 * part, which are copied together, and no others. Each sum runs over ascending columns, so that a row's bits depend on
 * that row alone.
 */
export function createLowRank(context: OpsContext): AddLowRank {
  const { arena, args, executor, own, owner } = context;
  /** Tensors of one operation in scratch memory, one of each shape: a step has hundreds of alike. */
  const createRoom = (label: string): ((rows: number, width: number) => WasmTensor) => {
    const scratch = createScratch(context.scratch);
    const known = new Map<number, WasmTensor>();
    return (rows, width) => {
      const offset = scratch.at(4 * rows * width);
      const key = rows * WIDTHS + width;
      let tensor = known.get(key);
      if (tensor?.offset !== offset) {
        tensor = new WasmTensor(owner, label, "f32", [rows, width], offset, false);
        known.set(key, tensor);
      }
      return tensor;
    };
  };
  const rooms = { x: createRoom("x"), inner: createRoom("inner"), outer: createRoom("outer") };

  /** The rows of x that take part, copied together unless that is all of them. */
  const rowsOf = (x: WasmTensor, runs: readonly Run[], count: number): WasmTensor => {
    if (count === x.rows) return x;
    const part = rooms.x(count, x.width);
    const bytes = 4 * x.width;
    for (const { first, rows, place } of runs) {
      arena.move(part.offset + place * bytes, x.offset + first * bytes, rows * bytes);
    }
    return part;
  };

  /** Run a kernel over the rows of each run. */
  const forEach = (
    runs: readonly Run[],
    width: number,
    kernel: number,
    put: (run: Run) => number,
  ): void => {
    for (let from = 0; from < runs.length; from += RUNS_AT_ONCE) {
      for (const run of runs.slice(from, from + RUNS_AT_ONCE)) {
        executor.part(run.rows, width * ELEMENT_NS);
        executor.step(kernel, put(run));
      }
      executor.run();
    }
  };

  return (ops, out, x, factors, scales) => {
    const [down, up] = [own(factors.down), own(factors.up)];
    check(out, x, down, up, scales);
    const { runs, count } = runsOf(scales);
    if (count === 0) return;
    const [rank, m] = [down.rows, out.width];
    const inner = rooms.inner(count, rank);
    const outer = rooms.outer(count, m);
    ops.matmul(rowsOf(x, runs, count), [{ weight: down, out: inner }]);
    forEach(runs, rank, SCALE, ({ place, scale }) =>
      args.putFloat(scale * factors.gain, inner.offset + 4 * place * rank, rank),
    );
    ops.matmul(inner, [{ weight: up, out: outer }]);
    forEach(runs, m, ADD_TO, ({ first, place }) =>
      args.put(out.offset + 4 * first * m, outer.offset + 4 * place * m, m),
    );
  };
}

function runsOf(scales: Float32Array): { readonly runs: readonly Run[]; readonly count: number } {
  const runs: Run[] = [];
  let place = 0;
  for (let first = 0; first < scales.length;) {
    const scale = scales[first]!;
    let end = first + 1;
    while (end < scales.length && scales[end] === scale) end++;
    if (scale !== 0) {
      const rows = end - first;
      runs.push({ first, rows, scale, place });
      place += rows;
    }
    first = end;
  }
  return { runs, count: place };
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
