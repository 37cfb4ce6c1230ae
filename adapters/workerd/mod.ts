/** sirocco on workerd (Cloudflare Workers): one model per isolate behind a fetch handler. */
export * from "../../core/mod.ts";
export type { RoomOptions } from "../node/limits.ts";
export { BUDGET_BYTES } from "./budget.ts";
export { cachedModel, r2Model, responseModel, type ModelBody } from "./sources.ts";
export type { WarmStart } from "./warm.ts";
export { createWorker, WORKER_ROOM, type WorkerHandler, type WorkerOptions } from "./worker.ts";
