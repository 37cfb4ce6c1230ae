import { byteLength } from "../../core/tensor/dtype.ts";
import { WGSL } from "./generated.ts";
import { gateWords, kernel, work } from "./kernels.ts";
import { typeTexts } from "./matmul.ts";
import type { PlannedDispatch } from "./planner.ts";
import type { ExpertsOp } from "./recorder.ts";
import { TENSOR_ALIGNMENT } from "./spec.ts";
import { align, type Weights } from "./tensors.ts";

/** Invocations of every workgroup here. */
const LANES = 64;

/** Words of the activations where what lies between the products of a layer of experts is kept. */
interface Room {
  readonly ids: number; // [n, used]
  readonly shares: number; // [n, used]
  readonly gate: number; // [n, used, hidden]
  readonly up: number; // [n, used, hidden]
  readonly answers: number; // [n, used, d]
  readonly end: number;
}

function roomOf({ x, gate, used }: ExpertsOp, rows: number, scratch: number): Room {
  const [, hidden = 0] = gate.shape;
  const choices = rows * used;
  let next = scratch;
  const take = (words: number): number => {
    const word = next;
    next = align(word + words, TENSOR_ALIGNMENT / 4);
    return word;
  };
  return {
    ids: take(choices),
    shares: take(choices),
    gate: take(choices * hidden),
    up: take(choices * hidden),
    answers: take(choices * x.width),
    end: next,
  };
}

/** Words of scratch memory that a layer of experts needs for as many rows as its tensors have. */
export function expertsScratchWords(op: ExpertsOp): number {
  return roomOf(op, op.x.place.rows, 0).end;
}

/**
 * A layer of experts: rows choose on the device, so that nothing waits for the host, and the products read
 * the matrices of chosen experts alone.
 */
export function planExperts(op: ExpertsOp, scratch: number): readonly PlannedDispatch[] {
  const { out, x, router, used, tally, gate } = op;
  const [count = 0, hidden = 0] = gate.shape;
  const room = roomOf(op, x.rows, scratch);
  const choices = x.rows * used;
  return [
    plain(
      "experts-route",
      [router.place.word, room.ids, room.shares, x.rows, count, used],
      [groups(x.rows), 1, 1],
      x.rows * count + 2 * choices,
    ),
    plain(
      "experts-tally",
      [room.ids, choices, tally.place.word, count],
      [groups(count), 1, 1],
      choices + 2 * count,
    ),
    ...products(op.gate, { out: room.gate, x: x.place.word, sharedBy: used, choices }, room),
    ...products(op.up, { out: room.up, x: x.place.word, sharedBy: used, choices }, room),
    gateWords(room.gate, room.up, choices * hidden, "silu"),
    ...products(op.down, { out: room.answers, x: room.gate, sharedBy: 1, choices }, room),
    plain(
      "experts-sum",
      [out.place.word, room.answers, room.shares, used, x.width],
      [groups(x.width), x.rows, 1],
      (choices + x.rows) * x.width,
    ),
  ];
}

/** A kernel that reads and writes so many values of activations and no weights. */
function plain(
  name: Parameters<typeof kernel>[0],
  params: readonly number[],
  workgroups: PlannedDispatch["workgroups"],
  touched: number,
): PlannedDispatch {
  return {
    kernel: kernel(name, name === "experts-route" ? ["exp"] : []),
    params: Uint32Array.from(params),
    workgroups,
    ...work(`${touched}`, touched),
  };
}

/** Workgroups that take so many items, one an invocation. */
function groups(items: number): number {
  return Math.ceil(items / LANES);
}

/** A product of each choice's row with the matrix of its expert. */
interface ChoiceProduct {
  readonly out: number;
  readonly x: number;
  /** Choices that have the same row of x. */
  readonly sharedBy: number;
  readonly choices: number;
}

/** A dispatch for each part of the weight. */
function products(
  weight: Weights,
  { out, x, sharedBy, choices }: ChoiceProduct,
  { ids }: Room,
): readonly PlannedDispatch[] {
  const [, rows = 0, columns = 0] = weight.shape;
  const rowBytes = byteLength(weight.dtype, columns);
  const wgsl = [...typeTexts(weight.dtype), WGSL["experts-matvec"]].join("\n");
  return weight.place.parts.map((part) => ({
    kernel: { name: `experts-matvec-${weight.dtype}`, wgsl, constants: {} },
    params: Uint32Array.of(
      out,
      x / 4,
      columns / 4,
      sharedBy,
      ids,
      rows,
      part.word,
      part.firstRow,
      part.rows,
      rowBytes,
    ),
    workgroups: [Math.ceil(rows / LANES), choices, 1],
    arena: part.arena,
    ...work(
      `${choices} of ${part.rows} × ${columns}`,
      choices * (rows + columns / sharedBy),
      choices * rows * rowBytes,
      Math.min(choices * rows, part.rows) * rowBytes,
    ),
  }));
}
