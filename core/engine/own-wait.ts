import { RuntimeError } from "../errors.ts";
import type { Backlog } from "./backlog.ts";
import { OwnPartFull } from "./queue.ts";
import type { Scheduler } from "./scheduler.ts";
import type { Sequence } from "./sequence.ts";

/**
 * Queue a sequence. Throws what {@linkcode Scheduler.add} throws; a tenant whose own part of the queue is full is told
 * when its own requests are done, as all that are there have equal shares of the speed.
 *
 * @param present All sequences that wait or run.
 */
export function addInTurn(
  scheduler: Scheduler,
  backlog: Backlog,
  present: Iterable<Sequence>,
  sequence: Sequence,
): void {
  try {
    scheduler.add(sequence);
  } catch (error) {
    if (!(error instanceof OwnPartFull)) throw error;
    const { prefixHits, prefixQueries } = scheduler.load;
    const all = [...present];
    const tenants = new Set(all.map(({ tenant }) => tenant)).size;
    const own = all.filter(({ tenant }) => tenant === sequence.tenant);
    const rows = backlog.rowsAhead(own, prefixHits / Math.max(prefixQueries, 1));
    const retryAfterSeconds = (rows * tenants) / Math.max(backlog.rowsPerSecond, 1);
    throw new RuntimeError(error.code, error.message, { retryAfterSeconds });
  }
}
