/** What an engine has before it. */
export interface Ahead {
  /** Rows that its requests will still take. */
  readonly rowsAhead: number;
  /** Rows that it has computed per second of late; 0 where it has computed none. */
  readonly rowsPerSecond: number;
}

/** Sooner it would only be refused again. */
const LEAST_SECONDS = 1;

/** Clients do not honour a longer wait. */
export const LONGEST_RETRY_AFTER_SECONDS = 60;

/** How much sooner than the estimate some are told to come: those refused together do not come back together. */
const JITTER = 0.5;

/**
 * Seconds after which a full queue has room: when what is ahead now is done, by the speed of late. Some are told
 * to come sooner, as the first of the queue are done then, and an engine should not run dry.
 *
 * @param engines The longest wait of them counts.
 * @param random From 0 to 1, another one for each refusal.
 */
export function retryAfterSeconds(engines: readonly Ahead[], random: number): number {
  const waits = engines.map(({ rowsAhead, rowsPerSecond }) =>
    // Where nothing was ever computed, a second is as good as any.
    rowsPerSecond > 0 ? rowsAhead / rowsPerSecond : LEAST_SECONDS,
  );
  const wait = Math.min(Math.max(...waits, LEAST_SECONDS), LONGEST_RETRY_AFTER_SECONDS);
  return Math.max(wait * (1 - JITTER * random), LEAST_SECONDS);
}
