/** What the engine of this process has to do. */
export interface LocalLoad {
  /** Requests that have a slot. */
  readonly running: number;
  /** Requests that wait for one. */
  readonly waiting: number;
  /** What an answer has taken so far, on average. */
  readonly meanAnswerMs: number;
}

/** When requests go over to the pool. */
export interface OverflowLimits {
  /** So many requests wait here. */
  readonly queue: number;
  /** A request would wait here for about so long, in milliseconds. */
  readonly waitMs: number;
}

/**
 * A queue that lasts longer than a second is felt; shorter ones are cheaper than a hop, and the cache of the
 * prompts' keys and values is here.
 */
export const DEFAULT_OVERFLOW: OverflowLimits = { queue: 8, waitMs: 1000 };

/** Where a request is answered first, and in a word why; the other place is the second. */
export interface Rung {
  readonly first: "local" | "pool";
  readonly why: "room" | "queue" | "wait" | "deadline";
}

/**
 * Where to answer first: here, unless it would wait here too long.
 *
 * @param deadlineMs What is left of the request's time; absent: any.
 */
export function chooseRung(
  { running, waiting, meanAnswerMs }: LocalLoad,
  limits: OverflowLimits,
  deadlineMs?: number,
): Rung {
  if (waiting === 0) return { first: "local", why: "room" };
  if (waiting >= limits.queue) return { first: "pool", why: "queue" };
  const waitMs = (waiting / Math.max(running, 1)) * meanAnswerMs;
  if (waitMs > limits.waitMs) return { first: "pool", why: "wait" };
  if (deadlineMs !== undefined && waitMs + meanAnswerMs > deadlineMs)
    return { first: "pool", why: "deadline" };
  return { first: "local", why: "room" };
}
