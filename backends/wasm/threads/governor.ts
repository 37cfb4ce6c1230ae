/**
 * How many threads pay. Where other programs want the cores too, two threads can be far slower than one:
 * the system takes a member off its core in the middle of a chunk that the leader needs, or the leader
 * off its own for the sake of a member that spins. Nothing tells a program so, but it can see how fast
 * its steps are. So the governor compares, and tries the neighbouring number of threads when steps have
 * become slower than they can be, and now and then in any case.
 */
export interface Governor {
  /** Members to use for the next step, of `cost` (nanoseconds, roughly). */
  members(cost: number, now: number): number;
  /** A step of `cost` took `ms` with so many members. */
  took(cost: number, members: number, ms: number, now: number): void;
}

/** A number of threads is judged by this much computing: some ten of the system's time slices. */
const WINDOW_MS = 30;

/** Below this share of the best step's speed, something is in the way. */
const HEALTHY = 0.75;

/** Another number of threads has to be this much faster to be taken. */
const BETTER = 1.05;

/** Between attempts: at first, and at most, as each that brings nothing doubles the time. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 4000;

/** Without any sign of trouble, fewer threads are tried this seldom. */
const CHECK_UP_MS = 10_000;

/** What is known of one number of members. */
interface Level {
  readonly members: number;
  /** Work per millisecond: of the last whole window, and of the best step. */
  speed: number;
  best: number;
  /** The window under way. */
  work: number;
  ms: number;
}

/** Steps of about the same size; a prompt's steps say nothing about those of an answer. */
interface Kind {
  readonly levels: readonly Level[];
  /** The level in use, and the one on trial. */
  current: number;
  trial: number | undefined;
  /** No trial before then. */
  nextTrial: number;
  pause: number;
}

/** Decides for a pool of `most` members. Pure but for what it has been told. */
export function createGovernor(most: number): Governor {
  const counts = levelsUpTo(most);
  const kinds = new Map<number, Kind>();

  const kindOf = (cost: number, now: number): Kind => {
    const size = Math.round(Math.log2(Math.max(cost, 1)));
    let kind = kinds.get(size);
    if (kind === undefined) {
      kind = {
        levels: counts.map((members) => ({ members, speed: 0, best: 0, work: 0, ms: 0 })),
        current: counts.length - 1,
        trial: undefined,
        nextTrial: now,
        pause: FIRST_PAUSE_MS,
      };
      kinds.set(size, kind);
    }
    return kind;
  };

  return {
    members(cost, now) {
      const kind = kindOf(cost, now);
      return kind.levels[kind.trial ?? kind.current]!.members;
    },
    took(cost, members, ms, now) {
      const kind = kindOf(cost, now);
      const level = kind.levels.find((candidate) => candidate.members === members);
      if (level === undefined || ms <= 0) return;
      level.best = Math.max(level.best, cost / ms);
      level.work += cost;
      level.ms += ms;
      if (level.ms < WINDOW_MS) return;
      level.speed = level.work / level.ms;
      level.work = 0;
      level.ms = 0;
      judge(kind, now);
    },
  };
}

/** A window is over: settle a trial, or see whether it is time for one. */
function judge(kind: Kind, now: number): void {
  const { levels, trial } = kind;
  const current = levels[kind.current]!;
  if (trial !== undefined) {
    kind.trial = undefined;
    const won = levels[trial]!.speed > BETTER * current.speed;
    if (won) kind.current = trial;
    kind.pause = won ? FIRST_PAUSE_MS : Math.min(2 * kind.pause, LONGEST_PAUSE_MS);
    kind.nextTrial = now + kind.pause;
    return;
  }
  const healthy = current.speed >= HEALTHY * current.best;
  // With all threads at work there is nothing to look for while steps are as fast as ever.
  const quiet = healthy && kind.current === levels.length - 1;
  if (now < kind.nextTrial + (quiet ? CHECK_UP_MS : 0)) return;
  // Fewer when something is in the way, more when all is well, and the other way at either end.
  const wanted = healthy ? kind.current + 1 : kind.current - 1;
  const inRange = wanted >= 0 && wanted < levels.length;
  kind.trial = inRange ? wanted : 2 * kind.current - wanted;
}

/** 0, 1, 3, 7, … and `most`: threads double from level to level. */
function levelsUpTo(most: number): readonly number[] {
  const counts: number[] = [];
  for (let threads = 1; threads - 1 < most; threads *= 2) counts.push(threads - 1);
  counts.push(most);
  return counts;
}
