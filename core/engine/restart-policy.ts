/** When engines that break are replaced, and by what. */
export interface RestartLimits {
  /** Milliseconds for which a breakage is held against later ones. */
  readonly windowMs: number;
  /** So many breakages within that are one too many: no further engine is opened. */
  readonly breakages: number;
  /** After so many breakages of engines on a GPU within that, the next is opened on the CPU, for good. */
  readonly gpuLosses: number;
  /** Milliseconds before the second attempt within that; each further one waits twice as long as the one before. */
  readonly firstDelayMs: number;
  /** The longest of these waits. */
  readonly mostDelayMs: number;
}

/** What servers get. */
export const RESTART_LIMITS: RestartLimits = {
  // A driver that resets itself does so within seconds; what breaks every two minutes is no accident.
  windowMs: 600_000,
  // Three on a GPU and as many on the CPU after that. Whoever supervises the process may know better then.
  breakages: 7,
  // reliability.md F3: one loss is a driver's update, three are a card.
  gpuLosses: 3,
  // The first attempt is made at once, since an accident is over; a second one that fails as fast would be a loop.
  firstDelayMs: 500,
  mostDelayMs: 30_000,
};

/** How to go on after a breakage. */
export interface Restart {
  /** To wait before. */
  readonly delayMs: number;
  /** Whether the engine is to do without a GPU. */
  readonly degraded: boolean;
}

/** Counts breakages; engines that could not be opened are some, too. It reads no clock. */
export interface RestartPolicy {
  /** An engine broke at `now`; returns how to go on, and nothing where it is time to stop. */
  broke(now: number, onGpu: boolean): Restart | undefined;
}

/** A policy that has seen nothing break. */
export function createRestartPolicy(limits: RestartLimits = RESTART_LIMITS): RestartPolicy {
  const { windowMs, breakages, gpuLosses, firstDelayMs, mostDelayMs } = limits;
  let past: { readonly at: number; readonly onGpu: boolean }[] = [];
  let degraded = false;
  return {
    broke(now, onGpu) {
      past = past.filter(({ at }) => now - at < windowMs);
      past.push({ at: now, onGpu });
      if (past.length >= breakages) return undefined;
      degraded ||= past.filter((one) => one.onGpu).length >= gpuLosses;
      const delayMs =
        past.length === 1 ? 0 : Math.min(firstDelayMs * 2 ** (past.length - 2), mostDelayMs);
      return { delayMs, degraded };
    },
  };
}
