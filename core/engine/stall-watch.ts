import { RuntimeError } from "../errors.ts";
import { isGpu } from "./breakage.ts";
import type { MortalEngine } from "./engine.ts";

/** When an engine is given up. */
export interface StallLimits {
  /** Milliseconds without progress, though there is work, after which an engine is given up. */
  readonly stallMs: number;
  /** The same of an engine on a GPU, which tells nothing of a step until that is done. */
  readonly gpuStallMs: number;
  /** Milliseconds between two looks. */
  readonly lookMs: number;
}

/** Looks after an engine while it has work. */
export interface StallWatch {
  /** A request is under way, until `leave`. */
  enter(): void;
  leave(): void;
}

/**
 * Abandon whatever engine `engine` gives when it stalls: nobody else does, since a thread that hangs tells nothing.
 *
 * @param now Monotonic clock in milliseconds.
 */
export function createStallWatch(
  engine: () => MortalEngine | undefined,
  { stallMs, gpuStallMs, lookMs }: StallLimits,
  now: () => number,
): StallWatch {
  let underWay = 0;
  let timer: ReturnType<typeof setInterval> | undefined;
  let looked = 0;

  function look(): void {
    const at = now();
    // Where this thread did not get to look, the engine's reports may wait to be read as well.
    const punctual = at - looked < 2 * lookMs;
    looked = at;
    const watched = engine();
    if (!punctual || watched === undefined) return;
    const { stalledMs } = watched.stats();
    if (stalledMs < (isGpu(watched.info.backend) ? gpuStallMs : stallMs)) return;
    const error = new RuntimeError(
      "INTERNAL",
      `The engine made no progress for ${Math.round(stalledMs)} ms and was given up`,
    );
    watched.abandon({ reason: "stalled", error });
  }

  return {
    enter() {
      if (underWay++ > 0) return;
      looked = now();
      timer = setInterval(look, lookMs);
    },
    leave() {
      if (--underWay === 0) clearInterval(timer);
    },
  };
}
