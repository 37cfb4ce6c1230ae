import { createWasmBackend } from "../../backends/wasm/backend.ts";
import type { SteppedEngine } from "../../core/engine/stepped-engine.ts";
import type { GgufModel } from "../../core/gguf/gguf.ts";
import { checkLoras } from "../../core/lora/check.ts";
import type { NamedLora } from "../../core/lora/load-lora.ts";
import type { LoadProgress } from "../../core/model/load.ts";
// Arithmetic and core, nothing of Node.
import type { RoomOptions } from "../node/limits.ts";
import { planModels, startOn } from "../node/start-on.ts";
import type { Runtime } from "./runtime.ts";

/** How to load, beside the model's bytes. */
export interface PortableOptions extends RoomOptions {
  /** Told of the bytes of weights read so far, and in all. */
  readonly onProgress?: LoadProgress;
  /** Aborts loading, not the loaded model. */
  readonly signal?: AbortSignal;
}

/** The same, with what is open already. */
interface StartEngineOptions extends PortableOptions {
  /** Adapters that requests may take; they stay the caller's, as the model does. */
  readonly loras?: readonly NamedLora[];
}

/**
 * Load a model's weights from an opened GGUF into WebAssembly memory in this thread and start its engine.
 * Every byte is read once and in the order of the file, so a stream will do. The GGUF stays the caller's.
 *
 * Rejects with `MODEL_MALFORMED`, `MODEL_UNSUPPORTED`, `INSUFFICIENT_RESOURCES`, `ABORTED`.
 */
export async function startEngine(
  gguf: GgufModel,
  runtime: Runtime,
  options: StartEngineOptions = {},
): Promise<SteppedEngine> {
  const started = performance.now();
  const kernels = await runtime.kernels();
  const { yieldTurn, maxBytes } = runtime;
  const { onProgress, signal, loras = [], ...room } = options;
  checkLoras(loras, gguf);
  const backend = await createWasmBackend({
    ...kernels,
    ...(maxBytes === undefined
      ? { workload: planModels({ gguf, room, loras }).workload }
      : { maxBytes }),
  });
  return startOn(backend, gguf, {
    room,
    loras,
    started,
    ...(yieldTurn === undefined ? {} : { yieldTurn }),
    onProgress,
    signal,
  });
}
