import type { Kernel } from "./kernels.ts";

/**
 * Runs kernels over ranges of units. A region is made of parts, which are independent of each other; a
 * part is one or more kernels that run one after another over the same units. So a later kernel of a part
 * may read what an earlier one wrote for its own units, and nothing else of the region.
 */
export interface Executor {
  readonly threads: number;
  /** A step of the model begins, and ends: what is compared to find out how many threads pay. */
  beginStep(): void;
  endStep(): void;
  /**
   * Begin a part of `units` units, each about `cost` nanoseconds of work: what is worth sharing. Its kernels run over
   * `memory`, the first one unless given.
   */
  part(units: number, cost: number, memory?: number): void;
  /** Add a kernel to the part just begun, at most {@linkcode MAX_STEPS} of them. */
  step(kernel: number, args: number): void;
  /** Run the region; returns when all of it is done. */
  run(): void;
  /** Let the threads go. */
  close(): Promise<void>;
}

/** Kernels of one part: two products and what joins them. */
export const MAX_STEPS = 3;

/** Everything in this thread, as it is added. `tables` are the kernels over each memory. */
export function createSerialExecutor(tables: readonly (readonly Kernel[])[]): Executor {
  let count = 0;
  let table = tables[0]!;
  return {
    threads: 1,
    beginStep() {},
    endStep() {},
    part(units, _cost, memory = 0) {
      count = units;
      table = tables[memory]!;
    },
    step(kernel, args) {
      table[kernel]!(args, 0, count);
    },
    run() {},
    close: () => Promise.resolve(),
  };
}
