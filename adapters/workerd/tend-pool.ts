import { createLeases } from "../../core/pool/leases.ts";
import type { Pool } from "../../core/pool/pool.ts";

/** Whoever looks at the nodes is back by then: two probes of a second each. */
const LOOK_OVER_MS = 2500;

/** Between two looks at whether another request has found the nodes: little beside a probe. */
const AGAIN_MS = 10;

/**
 * Look after the nodes of a pool with every request, as nothing runs between requests. Requests that come before any
 * node is known wait for whoever looks first: by looking again and again, as in workerd another request's promises
 * wake nobody up. `later` outlives the request.
 */
export function tendWithRequests(
  pool: Pool,
): (later: (work: Promise<unknown>) => void) => Promise<void> {
  const looking = createLeases(() => performance.now(), LOOK_OVER_MS);
  return async (later) => {
    const end = looking.take();
    const tending = pool.tend().finally(end);
    if (pool.ready()) {
      later(tending);
      return;
    }
    await tending;
    while (!pool.ready() && looking.count > 0)
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  };
}
