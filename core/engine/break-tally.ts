import { BREAK_REASONS, type Breakage, type BreakReason } from "./breakage.ts";
import type { EngineStats, MortalEngine } from "./engine.ts";
import { totalStats } from "./total-stats.ts";

/** What is left of engines that broke. */
export interface BreakTally {
  /** How many broke, by reason. */
  readonly broken: Readonly<Record<BreakReason, number>>;
  /** What they had counted. */
  readonly before: EngineStats | undefined;
  /** One more, whose statistics are still there. */
  readonly add: (engine: MortalEngine, breakage: Breakage) => void;
}

/** Nothing broke yet. */
export function createBreakTally(): BreakTally {
  const broken = noBreakages();
  let before: EngineStats | undefined;
  return {
    broken,
    get before() {
      return before;
    },
    add(engine, { reason }) {
      broken[reason]++;
      before = totalStats(engine.stats(), before);
    },
  };
}

/** No engine broke for any reason. */
export function noBreakages(): Record<BreakReason, number> {
  return Object.fromEntries(BREAK_REASONS.map((reason) => [reason, 0])) as Record<
    BreakReason,
    number
  >;
}
