import type { ReadInto } from "../../core/tensor/backend.ts";
import type { WeightType } from "../../core/tensor/dtype.ts";
import type { ArgsWriter } from "./args.ts";
import { align, type Arena } from "./arena.ts";
import type { Executor } from "./executor.ts";
import { kernelId } from "./kernels.ts";
import { planWeight, unitRows, type WeightPlan } from "./need.ts";
import { HOME, PANEL_ROWS, type Piece, WasmTensor } from "./tensors.ts";

/** Nanoseconds to lay a byte of weights out, roughly: what is worth sharing. */
const REPACK_NS = 0.2;

/** What weights are brought into. */
export interface LoadContext {
  readonly owner: object;
  /** The memories, the home one first. */
  readonly memories: readonly { readonly arena: Arena; readonly args: ArgsWriter }[];
  readonly executor: Executor;
  /** Bytes of a weight that are read at once. */
  readonly stagingBytes: number;
  /** Offset of bytes that stay taken. */
  readonly take: (label: string, bytes: number, memory: number) => number;
  /** Bytes that weights may still take of a memory; Infinity where there is but one. */
  readonly left: (memory: number) => number;
}

/** Bring a weight in, as `Backend.loadWeight` says. */
export type LoadWeight = (
  label: string,
  dtype: WeightType,
  shape: readonly number[],
  read: ReadInto,
) => Promise<WasmTensor>;

/** Rows that are read at once, and where they come to lie. */
interface Chunk {
  readonly memory: number;
  readonly row: number;
  readonly count: number;
  readonly to: number;
}

/** A loader of weights, a piece of the file at a time. */
export function createLoadWeight(context: LoadContext): LoadWeight {
  const { owner, memories, executor, stagingBytes, take } = context;
  const stagings = memories.map(() => ({ offset: 0, bytes: 0 }));

  const stage = (memory: number, bytes: number): number => {
    const staging = stagings[memory]!;
    if (bytes > staging.bytes) {
      staging.offset = take("staging", bytes, memory);
      staging.bytes = bytes;
    }
    return staging.offset;
  };

  /** Read and lay out all chunks: while one is laid out, the next is read into the other half of the staging memory. */
  const load = async (
    dtype: WeightType,
    { columns, rowBytes, panel, pieceBytes, staged }: WeightPlan,
    chunks: readonly Chunk[],
    read: ReadInto,
  ): Promise<void> => {
    const repack = kernelId(`repack_${dtype}`);
    const rawOf = (index: number): number =>
      stage(chunks[index]!.memory, staged) + (index % 2) * pieceBytes;
    const fetch = (index: number): Promise<void> => {
      const { memory, row, count } = chunks[index]!;
      return memories[memory]!.arena.fill(rawOf(index), count * rowBytes, (into) =>
        read(row * rowBytes, into),
      );
    };
    let next = fetch(0);
    for (const [index, { memory, count, to }] of chunks.entries()) {
      await next;
      if (index + 1 < chunks.length) next = fetch(index + 1);
      const { args } = memories[memory]!;
      const units = Math.ceil(count / PANEL_ROWS);
      executor.part(units, panel * REPACK_NS, memory);
      executor.step(repack, args.put(to, rawOf(index), count, columns));
      executor.run();
    }
  };

  const loadVector: LoadWeight = async (label, dtype, shape, read) => {
    const plan = planWeight(dtype, shape, stagingBytes);
    // It is kept as plain f32, so its panel is only a way-station.
    const raw = stage(HOME, plan.staged);
    const panels = align(raw + 2 * plan.rowBytes);
    await load(dtype, plan, [{ memory: HOME, row: 0, count: 1, to: panels }], read);
    const plain = take(label, plan.kept, HOME);
    const { arena, args } = memories[HOME]!;
    arena.put(raw, new Uint32Array(1));
    executor.part(1, 0);
    executor.step(kernelId(`embed_${dtype}`), args.put(plain, panels, raw, plan.columns));
    executor.run();
    return new WasmTensor(owner, label, "f32", shape, plain, false);
  };

  return async (label, dtype, shape, read) => {
    if (shape.length === 1) return loadVector(label, dtype, shape, read);
    const plan = planWeight(dtype, shape, stagingBytes);
    const unit = unitRows(shape);
    const unitBytes = (unit / PANEL_ROWS) * plan.panel;
    const cuts = cutRows(plan.rows, unit, unitBytes, memories.length, context.left);
    const pieces = cuts.map(({ memory, firstRow, rows }): Piece => {
      const bytes = Math.ceil(rows / PANEL_ROWS) * plan.panel;
      return { memory, firstRow, rows, offset: take(label, bytes, memory) };
    });
    await load(dtype, plan, chunksOf(pieces, plan), read);
    return new WasmTensor(owner, label, dtype, shape, pieces, true);
  };
}

/**
 * Which rows come to lie in which memory: whole units of `unit` rows, each memory filled before the next. What fits
 * nowhere is the last one's, which then says so.
 */
export function cutRows(
  rows: number,
  unit: number,
  unitBytes: number,
  memories: number,
  left: (memory: number) => number,
): readonly Omit<Piece, "offset">[] {
  const cuts: Omit<Piece, "offset">[] = [];
  let firstRow = 0;
  for (let memory = 0; memory < memories && firstRow < rows; memory++) {
    const last = memory === memories - 1;
    const room = last ? Infinity : Math.max(0, Math.floor(left(memory) / unitBytes)) * unit;
    const count = Math.min(rows - firstRow, room);
    if (count === 0) continue;
    cuts.push({ memory, firstRow, rows: count });
    firstRow += count;
  }
  return cuts;
}

function chunksOf(pieces: readonly Piece[], { atOnce, panel }: WeightPlan): readonly Chunk[] {
  const chunks: Chunk[] = [];
  for (const { memory, offset, firstRow, rows } of pieces) {
    for (let row = 0; row < rows; row += atOnce) {
      const count = Math.min(atOnce, rows - row);
      chunks.push({ memory, row: firstRow + row, count, to: offset + (row / PANEL_ROWS) * panel });
    }
  }
  return chunks;
}
