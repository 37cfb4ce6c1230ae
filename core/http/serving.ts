import { RuntimeError } from "../errors.ts";
import type { AppDeps, HttpLimits } from "./deps.ts";

/** How often a request that waits for a model looks again. */
const POLL_MS = 50;

/** Whether {@linkcode untilServing} would let a request through at once. */
export function isServing(deps: Pick<AppDeps, "state" | "pool">): boolean {
  const now = deps.state();
  // What is loading here may be there in the pool.
  return now === "ready" || now === "leaving" || (now === "loading" && deps.pool?.ready() === true);
}

/**
 * Resolves once requests are served: at once, or when the model has been loaded. Throws `DRAINING`,
 * `MODEL_LOADING` after a wait of `loadingWaitMs`, and `ABORTED` where the client does not wait so long.
 */
export async function untilServing(
  deps: AppDeps,
  limits: HttpLimits,
  request: Pick<Request, "signal">,
): Promise<void> {
  const begin = deps.now();
  for (;;) {
    const state = deps.state();
    if (state === "draining") {
      throw new RuntimeError(
        "DRAINING",
        "This server is shutting down: send the request to another",
      );
    }
    if (isServing(deps)) return;
    // To ask for the signal makes one, which most requests go without.
    if (request.signal.aborted)
      throw new RuntimeError("ABORTED", "The client left before the model was loaded");
    if (deps.now() - begin >= limits.loadingWaitMs) {
      throw new RuntimeError("MODEL_LOADING", "The model is still being loaded: try again soon");
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
