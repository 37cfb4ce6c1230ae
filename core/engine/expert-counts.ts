import type { Backend } from "../tensor/backend.ts";
import type { Tensor } from "../tensor/tensor.ts";

/**
 * Steps between two readings of what a device has counted: a reading waits for it, and a count of floats is
 * exact up to 2^24 rows, which so many steps do not reach.
 */
const STEPS_BETWEEN = 128;

/** Keeps how many rows took each expert, layer by layer. */
export interface ExpertCounts {
  /** [layers][experts] rows so far. */
  readonly rows: readonly (readonly number[])[];
  /** A step has ended; `idle` where no other follows. Reads what was counted from time to time. */
  step(idle: boolean): Promise<void>;
}

/** Counts of a model's tallies, which it sets to zero whenever it has read them. */
export function createExpertCounts(backend: Backend, tallies: readonly Tensor[]): ExpertCounts {
  const rows = tallies.map(({ shape: [experts = 0] }) => Array<number>(experts).fill(0));
  let steps = 0;
  return {
    rows,
    async step(idle) {
      steps++;
      if (!idle && steps < STEPS_BETWEEN) return;
      steps = 0;
      for (const [layer, tally] of tallies.entries()) {
        const counted = await backend.read(tally);
        for (const [expert, count] of counted.entries()) rows[layer]![expert]! += count;
        backend.write(tally, new Float32Array(counted.length));
      }
    },
  };
}
