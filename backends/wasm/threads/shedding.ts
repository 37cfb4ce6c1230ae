/**
 * When other programs want the cores as well, the system takes a member off its core in the middle of a
 * chunk, and the leader, who needs that chunk, stands still for a time slice: with every core taken two
 * threads are slower than one. So stalls are counted, and while they come often the leader works alone.
 */
export interface Shedding {
  /** Whether members may take part at time `now`. */
  allowed(now: number): boolean;
  /** The leader had nothing to do for `ms` at the end of a region. */
  stalled(ms: number, now: number): void;
}

/** No chunk takes this long: who waits longer waits for the system's scheduler. */
export const STALL_MS = 0.5;

/** Share of the time that may be lost in stalls before it is too much, over a window that forgets. */
const MOST_LOST = 0.1;
const WINDOW_MS = 50;

/** How long to work alone: at first, and at most, as each attempt that fails soon doubles it. */
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 2000;

/** An attempt that went well for this long starts the pauses from the shortest again. */
const GOOD_MS = 1000;

/** Decides from stalls alone: no clock of its own. */
export function createShedding(): Shedding {
  let lost = 0;
  let seen = 0;
  let pause = FIRST_PAUSE_MS;
  let resumeAt = -Infinity;

  return {
    allowed: (now) => now >= resumeAt,
    stalled(ms, now) {
      if (ms < STALL_MS) return;
      lost = lost * Math.exp((seen - now) / WINDOW_MS) + ms;
      seen = now;
      if (lost <= MOST_LOST * WINDOW_MS) return;
      pause = now - resumeAt > GOOD_MS ? FIRST_PAUSE_MS : Math.min(2 * pause, LONGEST_PAUSE_MS);
      resumeAt = now + pause;
      lost = 0;
    },
  };
}
