import type { Batch, ModelLimits } from "../model/model.ts";
import { createLoraRows } from "./lora.ts";
import type { Sequence } from "./sequence.ts";

/** What is looked at of a sequence. */
export interface LaidOut extends Pick<Sequence, "tokens" | "draft" | "computed" | "blocks"> {
  readonly lora?: Sequence["lora"];
}

/** Rows of a sequence, see {@linkcode Work}. */
export interface RowsOf {
  readonly sequence: LaidOut;
  readonly rows: number;
  readonly logitRows: number;
}

/** Lays plans out as rows, in arrays that are made once: a batch is valid until the next one. */
export type LayOut = (work: readonly RowsOf[]) => Batch;

/** Arrays for the largest step of a model. */
export function createLayOut(limits: ModelLimits): LayOut {
  const { maxRows, maxLogitRows, blockSize } = limits;
  const tokens = new Uint32Array(maxRows);
  const positions = new Uint32Array(maxRows);
  const slots = new Uint32Array(maxRows);
  const starts = new Uint32Array(maxRows + 1);
  const logitRows = new Uint32Array(maxLogitRows);
  const loraRows = createLoraRows(maxRows);
  let table = new Uint32Array(0); // [s, maxBlocks], grows with the longest sequence

  return (work) => {
    let maxBlocks = 0;
    for (const { sequence } of work) maxBlocks = Math.max(maxBlocks, sequence.blocks.length);
    const tableSize = work.length * maxBlocks;
    if (table.length < tableSize) table = new Uint32Array(2 * tableSize);
    table.fill(0, 0, tableSize);

    let row = 0;
    let logitRow = 0;
    let s = 0;
    for (const { sequence, rows, logitRows: wanted } of work) {
      for (let b = 0; b < sequence.blocks.length; b++) {
        table[s * maxBlocks + b] = sequence.blocks[b]!;
      }
      const end = sequence.computed + rows;
      for (let position = sequence.computed; position < end; position++, row++) {
        const block = sequence.blocks[Math.floor(position / blockSize)]!;
        tokens[row] = tokenAt(sequence, position);
        positions[row] = position;
        slots[row] = block * blockSize + (position % blockSize);
      }
      for (let i = wanted; i > 0; i--) logitRows[logitRow++] = row - i;
      starts[++s] = row;
    }
    const lora = loraRows(work);
    return {
      ...(lora.length === 0 ? {} : { lora }),
      tokens: tokens.subarray(0, row),
      positions: positions.subarray(0, row),
      slots: slots.subarray(0, row),
      starts: starts.subarray(0, s + 1),
      blocks: table.subarray(0, tableSize),
      logitRows: logitRows.subarray(0, logitRow),
      blockSize,
    };
  };
}

/** Guesses come behind what is known. */
function tokenAt({ tokens, draft }: LaidOut, position: number): number {
  return position < tokens.length ? tokens[position]! : draft[position - tokens.length]!;
}
