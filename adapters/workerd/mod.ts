/** sirocco on workerd (Cloudflare Workers): one model per isolate behind a fetch handler. */
export * from "../../core/mod.ts";
export type { RoomOptions } from "../node/limits.ts";
export { createCacheApiStore } from "../portable/cache-api-store.ts";
export { BUDGET_BYTES } from "./budget.ts";
export { createEdgeWorker, type EdgeWorkerHandler, type EdgeWorkerOptions } from "./edge.ts";
export type {
  EdgeOptions,
  WorkerCache,
  WorkerContext,
  WorkerPool,
  WorkerUpstream,
} from "./edge-parts.ts";
export { createFlights, type FlightsClass, type FlightsOptions } from "./flights.ts";
export { createKvStore } from "./kv-store.ts";
export { cachedModel, r2Model, responseModel, type ModelBody } from "./sources.ts";
export type { WarmStart } from "./warm.ts";
export type { WorkerLora } from "./worker-lora.ts";
export { createWorker, WORKER_ROOM, type WorkerHandler, type WorkerOptions } from "./worker.ts";
