import type { AttentionOptions, BatchLayout } from "../../core/tensor/backend.ts";

/** Rows of one sequence that read the cache together. */
export interface RowTile {
  readonly first: number;
  readonly rows: number;
  /** Last row of the sequence. */
  readonly end: number;
}

/** The rows of a layout in tiles of up to `tileRows`. */
export function tilesOf({ starts }: BatchLayout, tileRows: number): readonly RowTile[] {
  const tiles: RowTile[] = [];
  for (let s = 0; s + 1 < starts.length; s++) {
    const next = starts[s + 1]!;
    for (let first = starts[s]!; first < next; first += tileRows) {
      tiles.push({ first, rows: Math.min(tileRows, next - first), end: next - 1 });
    }
  }
  return tiles;
}

/** Positions of the cache that tiles read. */
export function positionsRead(
  { positions }: BatchLayout,
  tiles: readonly RowTile[],
  { window = Infinity, bidirectional = false }: AttentionOptions,
): number {
  let sum = 0;
  for (const { first, rows, end } of tiles) {
    const last = positions[bidirectional ? end : first + rows - 1]!;
    const least = bidirectional ? last : positions[first]!;
    sum += last + 1 - Math.max(0, least + 1 - window);
  }
  return sum;
}
