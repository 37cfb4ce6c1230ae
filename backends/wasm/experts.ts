import type { Experts, Ops } from "../../core/tensor/backend.ts";
import { chooseExperts, type Routes } from "../../core/tensor/route.ts";
import { kernelId } from "./kernels.ts";
import type { OpsContext } from "./ops.ts";
import { createScratch } from "./scratch.ts";
import { PANEL_ROWS, panelBytes, WasmTensor } from "./tensors.ts";

/** Nanoseconds to add a value of one expert's answer: what is worth sharing. */
const COMBINE_NS = 0.3;

const COMBINE = kernelId("combine");

/** Rows that take the same expert. */
interface Group {
  readonly expert: number;
  readonly rows: readonly number[];
}

/** A layer of experts with `ops` for the products: out, x, router and the rest as in {@linkcode Ops.experts}. */
export type RunExperts = (
  ops: Ops,
  out: WasmTensor,
  x: WasmTensor,
  router: WasmTensor,
  layer: Experts,
) => void;

/**
 * Experts one after another: the rows that take one are copied together and go through its three products
 * as those of any feed-forward layer; then every row adds up its answers, the largest share first. A row's
 * bits depend on that row alone, and weights that no row takes are not touched.
 */
export function createExperts({
  arena,
  args,
  executor,
  own,
  owner,
  scratch,
}: OpsContext): RunExperts {
  const rooms = {
    x: createScratch(scratch),
    gate: createScratch(scratch),
    up: createScratch(scratch),
    answers: createScratch(scratch),
    places: createScratch(scratch),
    shares: createScratch(scratch),
  };
  const matrices = new WeakMap<WasmTensor, readonly WasmTensor[]>();

  /** A tensor of one step in scratch memory. */
  const room = (name: "x" | "gate" | "up", rows: number, width: number): WasmTensor =>
    new WasmTensor(owner, name, "f32", [rows, width], rooms[name].at(rows * width * 4), false);

  /** The matrices of all experts, each by itself. */
  const matricesOf = (weight: WasmTensor): readonly WasmTensor[] => {
    let made = matrices.get(weight);
    if (made === undefined) {
      made = apart(weight);
      matrices.set(weight, made);
    }
    return made;
  };

  /** Copy a group's rows of x together. */
  const rowsOf = (x: WasmTensor, { rows }: Group): WasmTensor => {
    if (rows.length === x.rows) return x;
    const part = room("x", rows.length, x.width);
    const bytes = x.width * 4;
    for (const [i, row] of rows.entries()) {
      arena.move(part.offset + i * bytes, x.offset + row * bytes, bytes);
    }
    return part;
  };

  return (ops, out, x, router, layer) => {
    const [gate, up, down] = [own(layer.gate), own(layer.up), own(layer.down)];
    const tally = own(layer.tally);
    const [count = 0, hidden = 0] = gate.shape;
    const { used } = layer;
    check(layer, router, x, tally);
    // The router's values are there: an operation is done before the next one is recorded.
    const routes = chooseExperts(arena.get(router.offset, x.rows * count), count, used);
    const answers = rooms.answers.at(x.rows * used * x.width * 4);
    const places = new Uint32Array(x.rows * used);
    let place = 0;
    for (const group of groupsOf(routes, count, used, places)) {
      const { expert, rows } = group;
      const input = rowsOf(x, group);
      const gated = room("gate", rows.length, hidden);
      ops.gatedMatmul(
        input,
        { weight: matricesOf(gate)[expert]!, out: gated },
        { weight: matricesOf(up)[expert]!, out: room("up", rows.length, hidden) },
      );
      const at = answers + place * x.width * 4;
      const answer = new WasmTensor(owner, "answer", "f32", [rows.length, x.width], at, false);
      ops.matmul(gated, [{ weight: matricesOf(down)[expert]!, out: answer }]);
      place += rows.length;
    }
    const placesAt = rooms.places.at(places.byteLength);
    arena.put(placesAt, places);
    const sharesAt = rooms.shares.at(routes.shares.byteLength);
    arena.put(sharesAt, routes.shares);
    executor.part(x.rows, used * x.width * COMBINE_NS);
    executor.step(COMBINE, args.put(out.offset, answers, placesAt, sharesAt, used, x.width));
    executor.run();
    add(routes, tally);
  };

  /** Add to the tally how many rows took each expert. */
  function add(routes: Routes, tally: WasmTensor): void {
    const taken = arena.get(tally.offset, tally.length);
    for (const expert of routes.experts) taken[expert]! += 1;
    arena.put(tally.offset, taken);
  }
}

/** Rows by the expert that they take, and for each row and choice where in that order its answer will be. */
function groupsOf(
  { experts }: Routes,
  count: number,
  used: number,
  places: Uint32Array,
): readonly Group[] {
  const groups: Group[] = [];
  let place = 0;
  for (let expert = 0; expert < count; expert++) {
    const rows: number[] = [];
    for (const [i, taken] of experts.entries()) {
      if (taken !== expert) continue;
      rows.push(Math.floor(i / used));
      places[i] = place++;
    }
    if (rows.length > 0) groups.push({ expert, rows });
  }
  return groups;
}

/** Each expert's matrix of a weight [experts, rows, columns], which has whole panels of rows. */
function apart(weight: WasmTensor): readonly WasmTensor[] {
  const { owner, label, dtype, shape, pieces } = weight;
  const [, rows = 0, columns = 0] = shape;
  if (!weight.panels || shape.length !== 3 || rows % PANEL_ROWS !== 0) {
    throw new RangeError(
      `Cannot take experts of "${label}" [${shape.join(", ")}]: expected [experts, rows, columns] ` +
        `and rows in multiples of ${PANEL_ROWS}`,
    );
  }
  const bytes = (rows / PANEL_ROWS) * panelBytes(dtype, columns);
  return pieces.flatMap(({ memory, offset, rows: held }) =>
    Array.from({ length: held / rows }, (_, i) => {
      const piece = { memory, offset: offset + i * bytes, firstRow: 0, rows };
      return new WasmTensor(owner, label, dtype, [rows, columns], [piece], true);
    }),
  );
}

/** Shapes must agree: kernels trust them. The products check their own. */
function check(
  { gate, up, down }: Experts,
  router: WasmTensor,
  x: WasmTensor,
  tally: WasmTensor,
): void {
  const [count = 0, hidden = 0] = gate.shape;
  const d = x.width;
  const shapes = [gate.shape, up.shape, down.shape].map((shape) => shape.join(", "));
  const expected = [
    [count, hidden, d],
    [count, hidden, d],
    [count, d, hidden],
  ].map((shape) => shape.join(", "));
  const fit = router.width === count && router.rows === x.rows && tally.length === count;
  if (fit && shapes.every((shape, i) => shape === expected[i])) return;
  throw new RangeError(
    `Cannot take experts of "${gate.label}" [${shapes.join("], [")}] for "${x.label}" [${x.shape.join(", ")}]`,
  );
}
