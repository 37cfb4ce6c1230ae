import { createApp, type App } from "../../core/http/app.ts";
import type { HttpLimits } from "../../core/http/deps.ts";
import { type EdgeOptions, openEdge, type EdgeParts, type WorkerContext } from "./edge-parts.ts";
import { WORKER_LIMITS } from "./worker-limits.ts";

/** A worker without a model. */
export interface EdgeWorkerOptions<Env> extends EdgeOptions<Env> {
  /** Servers of ours that answer. */
  readonly pool: NonNullable<EdgeOptions<Env>["pool"]>;
  /** Limits of requests that differ from a worker's defaults. */
  readonly limits?: Partial<HttpLimits>;
}

/** What the platform calls. */
export interface EdgeWorkerHandler<Env> {
  /** Answers a request, from the cache or by the pool. */
  fetch(request: Request, env: Env, context: WorkerContext): Promise<Response>;
}

/**
 * A worker in front of servers: keys, limits and a cache at the edge, and no model, so that it starts at once
 * and holds neither weights nor kernels.
 */
export function createEdgeWorker<Env>(options: EdgeWorkerOptions<Env>): EdgeWorkerHandler<Env> {
  let parts: EdgeParts | undefined;
  let app: App | undefined;
  return {
    async fetch(request, env, context) {
      if (parts === undefined || app === undefined) {
        parts = openEdge(options, env);
        app = createApp({
          models: () => [],
          state: () => "ready",
          version: "edge",
          now: () => performance.now(),
          wallClock: () => Date.now(),
          randomId: () => crypto.randomUUID(),
          ...parts.deps,
          limits: { ...WORKER_LIMITS, ...options.limits },
        });
        parts.countIn(app.metrics);
      }
      await parts.attend(request, context);
      return app.fetch(request);
    },
  };
}
