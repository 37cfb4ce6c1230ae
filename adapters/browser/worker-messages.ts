import type { PlainError } from "../../core/engine/wire.ts";
import type { MetadataValue } from "../../core/gguf/gguf.ts";
import type { RoomOptions } from "../node/limits.ts";
import type { BrowserBackend } from "./choose-backend.ts";

/** What the engine's worker is started with. */
export interface WorkerTask {
  /** An absolute URL, or a file. */
  readonly model: string | Blob;
  /** Sent with requests for it. */
  readonly headers: Readonly<Record<string, string>>;
  readonly backend: BrowserBackend;
  readonly room: RoomOptions;
  /** Threads that are asked for. */
  readonly threads: number | undefined;
  /** The worker's end of the channel over which the engine is used. */
  readonly port: MessagePort;
}

/** What the worker says while it loads; afterwards only the engine's own port is used. */
export type WorkerMessage =
  | { readonly type: "opened"; readonly metadata: ReadonlyMap<string, MetadataValue> }
  | { readonly type: "progress"; readonly done: number; readonly total: number }
  | { readonly type: "loaded" }
  | { readonly type: "failed"; readonly error: PlainError };
