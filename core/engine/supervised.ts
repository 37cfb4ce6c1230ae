import type { RuntimeError } from "../errors.ts";
import { BREAK_REASONS, type BreakReason } from "./breakage.ts";
import { causeOf, continueAnswer, type EngineSource, MOST_MOVES } from "./continued-answer.ts";
import type { Engine, EngineStats, MortalEngine } from "./engine.ts";
import {
  beginSuccession,
  type EngineChange,
  type OpenContext,
  type OpenedEngine,
} from "./engine-succession.ts";
import type { WaitLimits } from "./engine-waiters.ts";
import { RESTART_LIMITS, type RestartLimits } from "./restart-policy.ts";
import { createStallWatch, type StallLimits } from "./stall-watch.ts";
import { NO_STATS, totalStats } from "./total-stats.ts";

/** How engines are looked after. */
export interface SupervisionLimits extends RestartLimits, StallLimits, WaitLimits {
  /** Opening a further engine may take so many times what the first one took. */
  readonly openFactor: number;
  /** And so many milliseconds in any case. */
  readonly openMs: number;
}

/** What servers get. */
export const SUPERVISION_LIMITS: SupervisionLimits = {
  ...RESTART_LIMITS,
  // Progress is an operation, not a step; and liveness gives the server up after 10 s.
  stallMs: 8000,
  lookMs: 1000,
  // As long as for a model that is loaded the first time.
  waitMs: 60_000,
  // What an engine of the default size lets wait.
  maxWaiting: 32,
  // A machine is busier when something breaks; a file may have left the system's cache.
  openFactor: 10,
  openMs: 60_000,
};

/** What supervision is made of. */
export interface SupervisionOptions {
  /** Open an engine; rejects with `RuntimeError`. */
  readonly open: (context: OpenContext) => Promise<OpenedEngine>;
  /** Aborts opening the first. */
  readonly signal?: AbortSignal | undefined;
  /** Told of every change of state. */
  readonly onChange?: ((change: EngineChange) => void) | undefined;
  /** Limits that differ from {@linkcode SUPERVISION_LIMITS}. */
  readonly limits?: Partial<SupervisionLimits> | undefined;
  /** Monotonic clock in milliseconds. */
  readonly now?: () => number;
}

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
  broken: countBreakages(),
  moved: 0,
};

/**
 * An engine over engines that are opened one after the other. Where one breaks, its requests go on with the next,
 * each once: an answer behind its last token, bit by bit the same on the same kind of backend. Requests wait for an
 * engine where there is none. Rejects as `open` does where the first cannot be opened.
 */
export async function superviseEngine(options: SupervisionOptions): Promise<SupervisedEngine> {
  const { open, signal, onChange = () => {}, now = () => performance.now() } = options;
  const limits: SupervisionLimits = { ...SUPERVISION_LIMITS, ...options.limits };
  const broken = countBreakages();
  let moved = 0;
  /** What engines that broke had counted. */
  let before: EngineStats | undefined;
  const engines = await beginSuccession(
    {
      ...limits,
      open,
      restarts: limits,
      onChange,
      onBroken(engine, { reason }) {
        broken[reason]++;
        before = totalStats(engine.stats(), before);
      },
      now,
    },
    signal,
  );
  const watch = createStallWatch(() => engines.current, limits, now);
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
    if (opened !== undefined) return totalStats(opened.stats(), before);
    // While one is opened nothing is stuck; where no further one is, only a restart of the process helps.
    const stalledMs = state === "gone" ? now() - since : 0;
    return { ...NO_STATS, ...before, running: 0, waiting, kvBlocksUsed: 0, stalledMs };
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
      broken: { ...broken },
      moved,
    }),
    gone: engines.gone,
    close: () => engines.close(),
  };
}

function countBreakages(): Record<BreakReason, number> {
  return Object.fromEntries(BREAK_REASONS.map((reason) => [reason, 0])) as Record<
    BreakReason,
    number
  >;
}
