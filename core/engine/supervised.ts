import { createBreakTally } from "./break-tally.ts";
import {
  beginSuccession,
  type EngineChange,
  type OpenContext,
  type OpenedEngine,
} from "./engine-succession.ts";
import type { WaitLimits } from "./engine-waiters.ts";
import { createLastingEngine, type SupervisedEngine } from "./lasting-engine.ts";
import { RESTART_LIMITS, type RestartLimits } from "./restart-policy.ts";
import { createStallWatch, type StallLimits } from "./stall-watch.ts";

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
  // Drivers give up by themselves what hangs, after 2 to 10 s; one that computes on the CPU may take long.
  gpuStallMs: 60_000,
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

/**
 * Look after engines that are opened one after the other, in the background: see {@linkcode createLastingEngine}.
 * Rejects as `open` does where the first cannot be opened.
 */
export async function superviseEngine(options: SupervisionOptions): Promise<SupervisedEngine> {
  const { open, signal, onChange = () => {}, now = () => performance.now() } = options;
  const limits: SupervisionLimits = { ...SUPERVISION_LIMITS, ...options.limits };
  const tally = createBreakTally();
  const engines = await beginSuccession(
    { ...limits, open, restarts: limits, onChange, onBroken: tally.add, now },
    signal,
  );
  const watch = createStallWatch(() => engines.current, limits, now);
  return createLastingEngine({ engines, tally, watch, now });
}
