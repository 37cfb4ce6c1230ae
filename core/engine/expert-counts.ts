import type { Backend } from "../tensor/backend.ts";
import type { Tensor } from "../tensor/tensor.ts";

/**
 * Steps between two readings of what a GPU has counted, for which it has to be waited; a count of floats is
 * exact up to 2^24 rows, which so many steps do not reach. What a CPU has counted is at hand.
 */
const GPU_STEPS = 128;

/** Keeps how many rows took each expert, layer by layer. */
export interface ExpertCounts {
  /** [layers][experts] rows so far. */
  readonly rows: readonly (readonly number[])[];
  /** A step was computed: read what was counted, from time to time. */
  step(): Promise<void>;
  /** No step follows for now: read what has not been read. */
  idle(): Promise<void>;
}

/** Counts of a model's tallies, which it sets to zero whenever it has read them. */
export function createExpertCounts(backend: Backend, tallies: readonly Tensor[]): ExpertCounts {
  const between = backend.name.startsWith("webgpu") ? GPU_STEPS : 1;
  const rows = tallies.map(({ shape: [experts = 0] }) => Array<number>(experts).fill(0));
  let steps = 0;

  async function collect(): Promise<void> {
    steps = 0;
    const counted: Float32Array[] = [];
    for (const tally of tallies) {
      counted.push((await backend.read(tally)).slice());
      backend.write(tally, new Float32Array(counted.at(-1)!.length));
    }
    // At once, so that nobody sees some layers ahead of others.
    for (const [layer, counts] of counted.entries()) {
      for (const [expert, count] of counts.entries()) rows[layer]![expert]! += count;
    }
  }

  return {
    rows,
    async step() {
      steps++;
      if (steps >= between) await collect();
    },
    async idle() {
      if (steps > 0) await collect();
    },
  };
}
