import { byteLength, WEIGHT_TYPES } from "../../core/tensor/dtype.ts";
import { bitsOf, kernel, work } from "./kernels.ts";
import type { PlannedDispatch } from "./planner.ts";
import type { LowRankOp } from "./recorder.ts";

/** Invocations of a workgroup. */
const LANES = 64;

/** Words of scratch memory for as many rows as the tensors have: what lies between the two products. */
export function lowRankScratchWords({ x, down }: LowRankOp): number {
  return x.place.rows * down.rows;
}

/** Two dispatches, or one for each part of a factor that lies in several arenas. */
export function planLowRank(op: LowRankOp, scratch: number): readonly PlannedDispatch[] {
  const { out, x, down, up, gain, entry } = op;
  const rank = down.rows;
  const inner = x.rows * rank;
  const downBytes = byteLength(down.dtype, x.width);
  const upBytes = byteLength(up.dtype, rank);
  return [
    ...down.place.parts.map(({ arena, word, firstRow, rows }): PlannedDispatch => ({
      kernel: kernel("low-rank-down", ["weights"], { TYPE: WEIGHT_TYPES[down.dtype].id }),
      params: Uint32Array.of(
        scratch,
        x.place.word,
        x.width,
        rank,
        word,
        firstRow,
        downBytes,
        entry,
        bitsOf(gain),
      ),
      workgroups: [rows, x.rows, 1],
      arena,
      ...work(
        `${rows} × ${x.width}`,
        x.length + inner,
        x.rows * rows * downBytes,
        rows * downBytes,
      ),
    })),
    ...up.place.parts.map(({ arena, word, firstRow, rows }): PlannedDispatch => ({
      kernel: kernel("low-rank-up", ["weights"], { TYPE: WEIGHT_TYPES[up.dtype].id }),
      params: Uint32Array.of(
        out.place.word,
        out.width,
        scratch,
        rank,
        word,
        firstRow,
        rows,
        upBytes,
        entry,
      ),
      workgroups: [Math.ceil(rows / LANES), x.rows, 1],
      arena,
      ...work(`${rows} × ${rank}`, inner + 2 * out.length, x.rows * rows * upBytes, rows * upBytes),
    })),
  ];
}
