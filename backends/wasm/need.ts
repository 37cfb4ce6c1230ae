import { byteLength, type WeightType } from "../../core/tensor/dtype.ts";
import type { MemoryNeed, Workload } from "../../core/tensor/workload.ts";
import { align } from "./arena.ts";
import { MAX_PAGES, PAGE } from "./kernels.ts";
import { kvLayerBytes, PANEL_ROWS, panelBytes } from "./tensors.ts";

/** All that wasm32 can address. */
export const MOST_BYTES: number = MAX_PAGES * PAGE;

/** Bytes of a weight that are read at once, before they are laid out anew: small beside any model. */
export const STAGING_BYTES: number = 2 ** 20;

/** How a weight is laid out and loaded. */
export interface WeightPlan {
  readonly vector: boolean;
  readonly rows: number;
  readonly columns: number;
  /** Bytes of a row as it is in the file. */
  readonly rowBytes: number;
  /** Bytes of eight rows laid out anew. */
  readonly panel: number;
  /** Rows that are read at once, and their bytes. */
  readonly atOnce: number;
  readonly pieceBytes: number;
  /** Bytes of staging memory. */
  readonly staged: number;
  /** Bytes that stay. */
  readonly kept: number;
}

/** The plan of a weight of which `stagingBytes` may be read at once. */
export function planWeight(
  dtype: WeightType,
  shape: readonly number[],
  stagingBytes: number,
): WeightPlan {
  const vector = shape.length === 1;
  const columns = shape.at(-1) ?? 1;
  const rows = vector ? 1 : shape.slice(0, -1).reduce((product, size) => product * size, 1);
  const rowBytes = byteLength(dtype, columns);
  const panel = panelBytes(dtype, columns);
  const atOnce = Math.max(1, Math.floor(stagingBytes / rowBytes / PANEL_ROWS)) * PANEL_ROWS;
  const pieceBytes = Math.min(atOnce, rows) * rowBytes;
  return {
    vector,
    rows,
    columns,
    rowBytes,
    panel,
    atOnce,
    pieceBytes,
    // While one piece is laid out the next is read; a vector's panel and a cache line are beside it.
    staged: 2 * pieceBytes + (vector ? panel + 64 : 0),
    kept: vector ? 4 * columns : Math.ceil(rows / PANEL_ROWS) * panel,
  };
}

/** Rows that have to stay together: a panel's, or of experts [experts, rows, columns] those of one. */
export function unitRows(shape: readonly number[]): number {
  const expert = shape.length === 3 ? (shape[1] ?? 1) : 1;
  return expert % PANEL_ROWS === 0 ? expert : PANEL_ROWS;
}

/** Bytes of so many values: element-wise kernels go four at a time. */
export function activationBytes(values: number): number {
  return Math.ceil(values / 4) * 16;
}

/** What is taken of so many memories for a workload while it is loaded; steps take some scratch memory later. */
export function wasmNeed(
  { weights: all, activations: shapes, caches }: Workload,
  stagingBytes: number,
  limit: number,
  memories: number,
): MemoryNeed {
  let weights = 0;
  let staging = 0;
  for (const { dtype, shape } of all) {
    const { staged, kept } = planWeight(dtype, shape, stagingBytes);
    weights += align(kept);
    if (staged <= staging) continue;
    // What was staged before is not given back.
    staging = staged;
    weights += memories * align(staged);
  }
  let kv = 0;
  for (const { slots, shape } of caches) {
    kv += align(kvLayerBytes(slots, shape));
  }
  let activations = 0;
  for (const shape of shapes) {
    activations += align(activationBytes(shape.reduce((product, size) => product * size, 1)));
  }
  return { weights, kv, activations, limit };
}
