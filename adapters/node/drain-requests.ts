import { setTimeout as sleep } from "node:timers/promises";

/** How often to look whether the last request has ended. */
const POLL_MS = 20;
/** What `stop` ended still has to reach its clients: an error event is a few bytes, but the machine may be busy. */
const LAST_WORDS_MS = 3000;

/** Wait for `running` requests to end, at most `graceMs`, then `stop` the rest and let that reach them. */
export async function drainRequests(
  running: () => number,
  graceMs: number,
  stop: () => Promise<void>,
): Promise<void> {
  const idleWithin = async (milliseconds: number): Promise<void> => {
    const end = performance.now() + milliseconds;
    while (running() > 0 && performance.now() < end) await sleep(POLL_MS);
  };
  await idleWithin(graceMs);
  await stop();
  await idleWithin(LAST_WORDS_MS);
}
