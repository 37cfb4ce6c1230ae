/** sirocco on Deno: load a model and ask it, or serve it with `Deno.serve`. */
export * from "../../core/mod.ts";
export { demoModel, load } from "../node/assistant.ts";
export type { BackendPreference } from "../node/backend.ts";
export type { RoomOptions } from "../node/limits.ts";
export type { EngineOptions } from "../node/open-engine.ts";
export { loadLocal, type LoadedModel, type LoadOptions } from "../node/load.ts";
export type { PoolSettings, UpstreamSettings } from "../node/pool/open-pool.ts";
export type {
  ListeningServer,
  RunningServer,
  ServeOptions,
  ServerOptions,
} from "../node/serve-model.ts";
export { serve, serveEdge } from "./serve.ts";
