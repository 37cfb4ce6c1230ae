/** sirocco on Node: load a model and ask it, or serve it. */
export * from "../../core/mod.ts";
export { demoModel, load } from "./assistant.ts";
export type { CachingOptions, SemanticCaching } from "./cache/open-caching.ts";
export type { BackendPreference } from "./backend.ts";
export type { EngineOptions } from "./open-engine.ts";
export type { RoomOptions } from "./limits.ts";
export type { LoraSource } from "./lora-source.ts";
export type { LoraFacts } from "./open-lora.ts";
export { loadLocal, type LoadedModel, type LoadOptions } from "./load.ts";
export { perplexity, type Perplexity, type PerplexityOptions } from "./perplexity.ts";
export { demoModelPath } from "./package-root.ts";
export type { PoolSettings, UpstreamSettings } from "./pool/open-pool.ts";
export {
  serve,
  serveEdge,
  type ListeningServer,
  type RunningServer,
  type ServeOptions,
  type ServerOptions,
} from "./serve.ts";
