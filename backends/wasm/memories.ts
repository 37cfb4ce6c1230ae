import type { Workload } from "../../core/tensor/workload.ts";
import { align } from "./arena.ts";
import { RING_BYTES } from "./args.ts";
import { MOST_BYTES, planWeight, unitRows, wasmNeed } from "./need.ts";
import { kvLayerBytes, PANEL_ROWS } from "./tensors.ts";

/**
 * Each memory takes 10 GiB of addresses in V8, which is what it costs before it is used; engines give a process a
 * tebibyte. So many hold 128 GiB, which is more than one program on a CPU computes with in sensible time.
 */
export const MOST_MEMORIES = 32;

/** Stacks of 16 threads, static data and the arguments of kernels: what each memory holds beside its plan. */
const BASE_BYTES = 17 * 65_536 + RING_BYTES;

/** Room for steps grows by doubling, so all that was ever taken is below four times the largest. */
const GROWTH = 4;

/** How many WebAssembly memories a workload is spread over. */
export interface MemoryPlan {
  readonly count: number;
  /** Bytes that each may grow to. */
  readonly bytes: number;
  /** Bytes of each that weights and caches may take: the rest is what steps work with. Infinity where there is but one. */
  readonly room: number;
}

/**
 * Spread a workload over memories of `bytes` bytes, which wasm32 can address 4 GiB of: one where it fits into one.
 * Whether there is so much at all is another question (`Backend.need`).
 */
export function planMemories(
  workload: Workload,
  stagingBytes: number,
  bytes: number = MOST_BYTES,
): MemoryPlan {
  const { weights, kv, activations } = wasmNeed(workload, stagingBytes, Infinity, 1);
  const working = BASE_BYTES + GROWTH * (activations + expertBytes(workload));
  const one: MemoryPlan = { count: 1, bytes, room: Infinity };
  if (weights + kv + working <= bytes) return one;
  const room = bytes - working - vectorBytes(workload, stagingBytes);
  // What does not fit behind the rest leaves less than itself free.
  const usable = room - largestUnit(workload, stagingBytes);
  if (usable <= 0) return one;
  return { count: Math.min(MOST_MEMORIES, Math.ceil((weights + kv) / usable)), bytes, room };
}

/** Bytes of what stays at home or is staged in every memory. */
function vectorBytes({ weights }: Workload, stagingBytes: number): number {
  let vectors = 0;
  let staging = 0;
  for (const { dtype, shape } of weights) {
    const { vector, kept, staged } = planWeight(dtype, shape, stagingBytes);
    if (vector) vectors += align(kept);
    // What was staged before is not given back.
    if (staged > staging) vectors += align((staging = staged));
  }
  return vectors;
}

/** Bytes of the largest part that has to be in one memory: a panel, an expert, a layer's cache. */
function largestUnit({ weights, caches }: Workload, stagingBytes: number): number {
  let largest = 0;
  for (const { dtype, shape } of weights) {
    const { vector, panel } = planWeight(dtype, shape, stagingBytes);
    if (!vector) largest = Math.max(largest, align((unitRows(shape) / PANEL_ROWS) * panel));
  }
  for (const { slots, shape } of caches) {
    largest = Math.max(largest, align(kvLayerBytes(slots, shape)));
  }
  return largest;
}

/** Bytes that rows take on their way through experts [experts, rows, columns]: each might take all of them. */
function expertBytes({ weights, activations }: Workload): number {
  const rows = Math.max(0, ...activations.map(([first = 1]) => first));
  let most = 0;
  for (const { shape } of weights) {
    if (shape.length !== 3) continue;
    const [count = 0, m = 0, k = 0] = shape;
    most = Math.max(most, 4 * rows * (2 * Math.max(m, k) + (count + 1) * Math.min(m, k)));
  }
  return most;
}
