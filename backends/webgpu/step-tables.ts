import type { BatchLayout } from "../../core/tensor/backend.ts";
import { type RowTile, tilesOf } from "./row-tiles.ts";

/** Entries of a layout, from its first on: see {@linkcode StepTables.layout}. */
export const LAYOUT = { slots: 0, positions: 1, firstBlocks: 2, blockSize: 3, ends: 4 } as const;

/** Entries that the head has room for: a step has few tables, whatever its number of layers. */
const HEAD = 64;

interface LayoutEntry {
  readonly layout: BatchLayout;
  /** What it was checked for. */
  readonly rows: number;
  readonly slots: number;
  readonly index: number;
}

/** A layout in tiles, and the entry that says so. */
interface TiledLayout {
  readonly layout: BatchLayout;
  readonly tileRows: number;
  readonly tiles: readonly RowTile[];
  readonly index: number;
}

/**
 * What a step brings beside activations, written to the device once: tokens, rows, and for all layers
 * together positions, slots and block tables. The first words are entries that say where each table
 * begins, so that kernels are told the number of an entry, which is the same in every step of a kind.
 */
export class StepTables {
  #words = new Uint32Array(4096);
  #used = HEAD;
  #entries = 0;
  readonly #layouts: LayoutEntry[] = [];
  readonly #floats: { readonly values: Float32Array; readonly index: number }[] = [];
  readonly #lists: { readonly values: Uint32Array; readonly index: number }[] = [];

  readonly #tiles: TiledLayout[] = [];

  /** Begin a step. */
  begin(): void {
    this.#used = HEAD;
    this.#entries = 0;
    this.#layouts.length = 0;
    this.#lists.length = 0;
    this.#floats.length = 0;
    this.#tiles.length = 0;
  }

  /** The words of the step so far. */
  words(): Uint32Array {
    return this.#words.subarray(0, this.#used);
  }

  /** The entry of a list of numbers below `bound`. Throws `RangeError` for others. */
  list(operation: string, label: string, values: Uint32Array, bound: number): number {
    for (const value of values) {
      if (value >= bound) {
        throw new RangeError(`Cannot ${operation} row ${value}: "${label}" has ${bound} rows`);
      }
    }
    const known = this.#lists.find((list) => list.values === values);
    if (known !== undefined) return known.index;
    const index = this.#entry(this.#append(values));
    this.#lists.push({ values, index });
    return index;
  }

  /** The entry of a list of floats by their bits. */
  floats(values: Float32Array): number {
    const known = this.#floats.find((list) => list.values === values);
    if (known !== undefined) return known.index;
    const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
    const index = this.#entry(this.#append(words));
    this.#floats.push({ values, index });
    return index;
  }

  /**
   * The first of five entries of a layout: slots[n], positions[n], the word of each row's first block
   * [n], the block size itself, and the position of the last row of each row's sequence [n]. Throws `RangeError` for slots and blocks beyond `slots`.
   */
  layout(layout: BatchLayout, rows: number, label: string, slots: number): number {
    const known = this.#layouts.find((entry) => entry.layout === layout);
    if (known !== undefined && known.rows === rows && known.slots === slots) return known.index;
    checkLayout(layout, rows, label, slots);
    if (known !== undefined) return known.index;
    const { starts, blocks, positions, blockSize } = layout;
    const index = this.#entry(this.#append(layout.slots));
    this.#entry(this.#append(positions));
    const sequences = starts.length - 1;
    const maxBlocks = blocks.length / Math.max(sequences, 1);
    const first = this.#append(blocks);
    this.#reserve(rows);
    this.#entry(this.#used);
    for (let s = 0; s < sequences; s++) {
      this.#words.fill(first + s * maxBlocks, this.#used, this.#used + starts[s + 1]! - starts[s]!);
      this.#used += starts[s + 1]! - starts[s]!;
    }
    this.#entry(blockSize);
    this.#reserve(rows);
    this.#entry(this.#used);
    for (let s = 0; s < sequences; s++) {
      const end = starts[s + 1]!;
      this.#words.fill(positions[end - 1] ?? 0, this.#used, this.#used + end - starts[s]!);
      this.#used += end - starts[s]!;
    }
    this.#layouts.push({ layout, rows, slots, index });
    return index;
  }

  /** The tiles of a layout; their entry has a word for each row that there is, and 0 where there is no tile. */
  tiles(layout: BatchLayout, tileRows: number): TiledLayout {
    const known = this.#tiles.find((each) => each.layout === layout && each.tileRows === tileRows);
    if (known !== undefined) return known;
    const tiles = tilesOf(layout, tileRows);
    const words = new Uint32Array(layout.positions.length);
    words.set(tiles.map(({ first, rows }) => 16 * first + rows));
    const made: TiledLayout = { layout, tileRows, tiles, index: this.#entry(this.#append(words)) };
    this.#tiles.push(made);
    return made;
  }

  #entry(value: number): number {
    if (this.#entries === HEAD) throw new RangeError(`Cannot record a step of over ${HEAD} tables`);
    this.#words[this.#entries] = value;
    return this.#entries++;
  }

  #append(values: Uint32Array): number {
    this.#reserve(values.length);
    const at = this.#used;
    this.#words.set(values, at);
    this.#used += values.length;
    return at;
  }

  #reserve(words: number): void {
    if (this.#used + words <= this.#words.length) return;
    const larger = new Uint32Array(2 * (this.#used + words));
    larger.set(this.#words.subarray(0, this.#used));
    this.#words = larger;
  }
}

/** What a device would read wrongly is refused before. */
function checkLayout(layout: BatchLayout, rows: number, label: string, slots: number): void {
  const { positions, starts, blocks, blockSize } = layout;
  const sequences = starts.length - 1;
  if (positions.length !== rows || layout.slots.length !== rows || starts[sequences] !== rows) {
    throw new RangeError(`Cannot attend with ${rows} rows: the layout has ${positions.length}`);
  }
  for (const slot of layout.slots) {
    if (slot >= slots)
      throw new RangeError(`Cannot store at slot ${slot}: "${label}" has ${slots}`);
  }
  const maxBlocks = blocks.length / Math.max(sequences, 1);
  for (let s = 0; s < sequences; s++) {
    let last = -1;
    for (let row = starts[s]!; row < starts[s + 1]!; row++) last = Math.max(last, positions[row]!);
    const used = Math.floor(last / blockSize) + 1;
    if (used > maxBlocks) {
      throw new RangeError(`Cannot attend to position ${last}: it has no cache block`);
    }
    for (const block of blocks.subarray(s * maxBlocks, s * maxBlocks + used)) {
      if ((block + 1) * blockSize > slots) {
        throw new RangeError(`Cannot attend to block ${block}: "${label}" has ${slots} slots`);
      }
    }
  }
}
