import type { RuntimeError } from "../errors.ts";
import { type BreakTally, noBreakages } from "./break-tally.ts";
import type { BreakReason } from "./breakage.ts";
import { causeOf, continueAnswer, type EngineSource, MOST_MOVES } from "./continued-answer.ts";
import type { Engine, EngineStats, MortalEngine } from "./engine.ts";
import type { Succession } from "./engine-succession.ts";
import type { StallWatch } from "./stall-watch.ts";
import { NO_STATS, totalStats } from "./total-stats.ts";

/** How the engines of a {@linkcode SupervisedEngine} are. */
export interface EngineCondition {
  /** `opening`: one broke, and the next is being opened; `gone`: no further one is. */
  readonly state: "ready" | "opening" | "gone";
  /** Whether a GPU has been given up for the CPU. */
  readonly degraded: boolean;
  /** Engines that broke, by reason. */
  readonly broken: Readonly<Record<BreakReason, number>>;
  /** Requests that went on with another engine. */
  readonly moved: number;
}

/** An engine that outlives the engines that compute. */
export interface SupervisedEngine extends Engine {
  /** How they are. */
  condition(): EngineCondition;
  /** Resolves when no further one is opened, with what the last one broke of. */
  readonly gone: Promise<RuntimeError>;
}

/** A condition in which nothing ever broke. */
export const UNBROKEN: EngineCondition = {
  state: "ready",
  degraded: false,
  broken: noBreakages(),
  moved: 0,
};

/** What a lasting engine is made of. */
export interface LastingOptions {
  readonly engines: Succession;
  /** What became of those that broke. */
  readonly tally: BreakTally;
  /** Told of requests under way. */
  readonly watch: StallWatch;
  /** Monotonic clock in milliseconds. */
  readonly now: () => number;
}

/**
 * An engine over those of a succession. Where one breaks, its requests go on with the next, each once: an answer
 * behind its last token, bit by bit the same on the same kind of backend. Requests wait for an engine where there is
 * none.
 */
export function createLastingEngine({
  engines,
  tally,
  watch,
  now,
}: LastingOptions): SupervisedEngine {
  let moved = 0;
  const source: EngineSource = {
    get current() {
      return engines.current;
    },
    next: (patience) => engines.next(patience),
    enter: () => watch.enter(),
    leave: () => watch.leave(),
    moved: () => void moved++,
    now,
  };

  /** Ask for one result, and once more where the engine breaks. */
  async function ask<T>(
    left: AbortSignal | undefined,
    question: (engine: MortalEngine, admitted: boolean) => Promise<T>,
  ): Promise<T> {
    watch.enter();
    try {
      for (let moves = 0; ; moves++) {
        const patience = { signal: left, deadline: Infinity, admitted: moves > 0 };
        const engine = engines.current ?? (await engines.next(patience));
        try {
          return await question(engine, moves > 0);
        } catch (error) {
          const cause = causeOf(error, engine);
          if (cause === undefined || moves === MOST_MOVES) throw cause ?? error;
          moved++;
        }
      }
    } finally {
      watch.leave();
    }
  }

  function stats(): EngineStats {
    const { opened, state, since, waiting } = engines;
    if (opened !== undefined) return totalStats(opened.stats(), tally.before);
    // While one is opened nothing is stuck; where no further one is, only a restart of the process helps.
    const stalledMs = state === "gone" ? now() - since : 0;
    return { ...NO_STATS, ...tally.before, running: 0, waiting, kvBlocksUsed: 0, stalledMs };
  }

  return {
    get info() {
      return engines.info;
    },
    generate: (request) => ({ [Symbol.asyncIterator]: () => continueAnswer(request, source) }),
    score: (request) =>
      ask(request.signal, (engine, admitted) => engine.score({ ...request, admitted })),
    embed: (request) =>
      ask(request.signal, (engine, admitted) => engine.embed({ ...request, admitted })),
    stats,
    condition: () => ({
      state: engines.state === "closed" ? "gone" : engines.state,
      degraded: engines.degraded,
      broken: { ...tally.broken },
      moved,
    }),
    get gone() {
      return engines.gone;
    },
    close: () => engines.close(),
  };
}
