import type { MessagePort } from "node:worker_threads";
import type { PlainError } from "../../core/engine/wire.ts";
import type { EngineOptions } from "./open-engine.ts";

/** What the engine's worker is started with. */
export interface WorkerTask {
  readonly options: EngineOptions;
  /** The worker's end of the channel over which the engine is used. */
  readonly port: MessagePort;
}

/** What the worker says while it loads; afterwards only the engine's own port is used. */
export type WorkerMessage =
  | { readonly type: "progress"; readonly done: number; readonly total: number }
  | { readonly type: "loaded" }
  | { readonly type: "failed"; readonly error: PlainError };
