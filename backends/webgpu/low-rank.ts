import { byteLength, WEIGHT_TYPES } from "../../core/tensor/dtype.ts";
import { bitsOf, kernel, work } from "./kernels.ts";
import type { PlannedDispatch } from "./planner.ts";
import type { LowRankOp } from "./recorder.ts";
import type { Part } from "./tensors.ts";

/** Invocations of a workgroup. */
const LANES = 64;

/** Words of scratch memory for as many rows as the tensors have: what lies between the two products. */
export function lowRankScratchWords({ x, down }: LowRankOp): number {
  return x.place.rows * down.rows;
}

/** Two dispatches, or one for each part of a factor that lies in several arenas. */
export function planLowRank(op: LowRankOp, scratch: number): readonly PlannedDispatch[] {
  return [
    ...op.down.place.parts.map((part) => downPart(op, part, scratch)),
    ...op.up.place.parts.map((part) => upPart(op, part, scratch)),
  ];
}

function downPart(
  { x, down, gain, entry }: LowRankOp,
  part: Part,
  scratch: number,
): PlannedDispatch {
  const { arena, word, firstRow, rows } = part;
  const [k, rank] = [x.width, down.rows];
  const rowBytes = byteLength(down.dtype, k);
  const given = [scratch, x.place.word, k, rank, word, firstRow, rowBytes, entry, bitsOf(gain)];
  return {
    kernel: kernel("low-rank-down", ["weights"], { TYPE: WEIGHT_TYPES[down.dtype].id }),
    params: Uint32Array.from(given),
    workgroups: [rows, x.rows, 1],
    arena,
    ...work(`${rows} × ${k}`, x.length + x.rows * rows, x.rows * rows * rowBytes, rows * rowBytes),
  };
}

function upPart({ out, down, up, entry }: LowRankOp, part: Part, scratch: number): PlannedDispatch {
  const { arena, word, firstRow, rows } = part;
  const rank = down.rows;
  const rowBytes = byteLength(up.dtype, rank);
  const given = [out.place.word, out.width, scratch, rank, word, firstRow, rows, rowBytes, entry];
  const touched = out.rows * (rank + 2 * rows);
  return {
    kernel: kernel("low-rank-up", ["weights"], { TYPE: WEIGHT_TYPES[up.dtype].id }),
    params: Uint32Array.from(given),
    workgroups: [Math.ceil(rows / LANES), out.rows, 1],
    arena,
    ...work(`${rows} × ${rank}`, touched, out.rows * rows * rowBytes, rows * rowBytes),
  };
}
