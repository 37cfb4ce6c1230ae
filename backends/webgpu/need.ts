import { byteLength } from "../../core/tensor/dtype.ts";
import type { DType } from "../../core/tensor/tensor.ts";
import type { MemoryNeed, Workload } from "../../core/tensor/workload.ts";
import { TENSOR_ALIGNMENT } from "./spec.ts";
import { align, kvHeadBytes, sizeOf } from "./tensors.ts";

/**
 * What a backend works with beside tensors: parameters (4 MiB), tables, questions about logits and their
 * answers, what is read back. All but the parameters is far below a mebibyte, and grows with the batch.
 */
const WORKING_BYTES = 8 * 2 ** 20;

/** The least buffer. */
export const LEAST_BUFFER = 256;

/** What bounds a device's memory. */
export interface DeviceBounds {
  /** Bytes of the largest buffer that can be bound whole. */
  readonly largestBuffer: number;
  /** Bytes of the largest arena of weights. */
  readonly maxArena: number;
  /** All buffers together. */
  readonly maxBytes: number;
}

/** No arena is larger, whatever a device allows: drivers refuse what they advertise (runtimes differ). */
const LARGEST_ARENA_BYTES = 512 * 2 ** 20;

/** What a device allows, and its user. */
export function boundsOf(
  { limits }: GPUDevice,
  maxBytes: number = Infinity,
  arenaBytes: number = Infinity,
): DeviceBounds {
  const largestBuffer = Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize);
  const maxArena = Math.min(LARGEST_ARENA_BYTES, largestBuffer, arenaBytes);
  return { largestBuffer, maxArena, maxBytes };
}

/** Rows of a weight that lie together. */
export interface Piece {
  readonly firstRow: number;
  readonly rows: number;
  /** A multiple of {@linkcode TENSOR_ALIGNMENT}. */
  readonly bytes: number;
}

/** A weight in pieces that an arena holds, as a rule one. Throws `RangeError` where a row does not fit. */
export function piecesOf(
  label: string,
  dtype: DType,
  rows: number,
  columns: number,
  maxArena: number,
): Piece[] {
  const rowBytes = byteLength(dtype, columns);
  // A part is read in whole words, and the next begins at an alignment of any type's blocks.
  const room = maxArena - TENSOR_ALIGNMENT;
  const rowsAtOnce = Math.floor(room / rowBytes);
  if (rowsAtOnce === 0) {
    throw new RangeError(
      `Cannot place "${label}": a row takes ${rowBytes} bytes, the device binds ${maxArena}`,
    );
  }
  const pieces: Piece[] = [];
  for (let firstRow = 0; firstRow < rows; firstRow += rowsAtOnce) {
    const count = Math.min(rowsAtOnce, rows - firstRow);
    pieces.push({ firstRow, rows: count, bytes: align(count * rowBytes, TENSOR_ALIGNMENT) });
  }
  return pieces;
}

/**
 * Sizes of the arenas that take weights one after another, each into the first that has room: as long as all
 * are known, none is larger than what will lie in it.
 */
export function planArenas({ weights }: Workload, maxArena: number): number[] {
  const used: number[] = [];
  for (const { label, dtype, shape } of weights) {
    const rows = sizeOf(shape.slice(0, -1));
    for (const { bytes } of piecesOf(label, dtype, rows, shape.at(-1) ?? 1, maxArena)) {
      const fitting = used.findIndex((size) => maxArena - size >= bytes);
      if (fitting >= 0) used[fitting]! += bytes;
      else used.push(bytes);
    }
  }
  return used;
}

/** Bytes of one layer's cache. */
export function cacheBytes({ slots, shape }: Workload["caches"][number]): number {
  const { kvHeads, headDim, type } = shape;
  return Math.max(LEAST_BUFFER, slots * kvHeads * 2 * kvHeadBytes(type, headDim));
}

function sum(sizes: readonly number[]): number {
  return sizes.reduce((total, size) => total + size, 0);
}

/** What a workload takes. Throws `RangeError` where something has to be bound whole and cannot be. */
export function gpuNeed(workload: Workload, bounds: DeviceBounds): MemoryNeed {
  const { largestBuffer, maxArena, maxBytes } = bounds;
  const fit = (what: string, bytes: number): number => {
    if (bytes <= largestBuffer) return bytes;
    throw new RangeError(`${what} take ${bytes} bytes, the device binds ${largestBuffer} at once`);
  };
  const tensors = workload.activations.map((shape) => align(4 * sizeOf(shape), TENSOR_ALIGNMENT));
  return {
    weights: sum(planArenas(workload, maxArena)),
    kv: sum(workload.caches.map((cache) => fit("a layer's keys and values", cacheBytes(cache)))),
    activations: fit("activations", sum(tensors)) + WORKING_BYTES,
    limit: maxBytes,
  };
}
