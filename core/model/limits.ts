import type { ModelLimits } from "./model.ts";

/** A larger block wastes cache: on average each sequence leaves half a block empty. */
const MAX_BLOCK_SIZE = 1024;
/** Rows of one step; beyond some hundreds a step only grows slower and holds up all sequences. */
const MAX_ROWS = 2 ** 16;
/** Slots are numbered by 32-bit integers. */
const MAX_SLOTS = 2 ** 31;

/** Throws `RangeError` unless the limits are whole numbers that a model can be made for. */
export function checkLimits({ maxRows, maxLogitRows, blocks, blockSize }: ModelLimits): void {
  check("maxRows", maxRows, MAX_ROWS);
  check("maxLogitRows", maxLogitRows, maxRows);
  check("blockSize", blockSize, MAX_BLOCK_SIZE);
  check("blocks", blocks, Math.floor(MAX_SLOTS / blockSize));
}

function check(name: string, value: number, most: number): void {
  if (Number.isInteger(value) && value >= 1 && value <= most) return;
  throw new RangeError(`Cannot make a model: ${name} is ${value}, expected 1 to ${most}`);
}
