import { createWasmBackend } from "../../backends/wasm/backend.ts";
import { createEngine, type SteppedEngine } from "../../core/engine/loop.ts";
import type { GgufModel } from "../../core/gguf/gguf.ts";
import { readConfig } from "../../core/model/config.ts";
import { loadModel as loadWeights, type LoadProgress } from "../../core/model/load.ts";
// It holds arithmetic only, nothing of Node.
import { planQueue, planRoom, type RoomOptions } from "../node/limits.ts";
import type { Runtime } from "./runtime.ts";

/** How to load, beside the model's bytes. */
export interface PortableOptions extends RoomOptions {
  readonly onProgress?: LoadProgress;
  /** Aborts loading, not the loaded model. */
  readonly signal?: AbortSignal;
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
  options: PortableOptions = {},
): Promise<SteppedEngine> {
  const started = performance.now();
  const { module, variant, instantiate } = await runtime.kernels();
  const { yieldTurn, maxBytes } = runtime;
  const backend = await createWasmBackend({
    module,
    variant,
    ...(maxBytes === undefined ? {} : { maxBytes }),
    ...(instantiate === undefined ? {} : { instantiate }),
  });
  try {
    const room = planRoom(readConfig(gguf), options, backend.kvBlock);
    const { onProgress, signal } = options;
    const model = await loadWeights(gguf, backend, room.limits, onProgress, signal);
    return createEngine({
      model,
      backend,
      contextLength: room.contextLength,
      maxSequences: room.parallel,
      ...planQueue(room),
      sharePrefixes: options.sharePrefixes ?? true,
      ...(yieldTurn === undefined ? {} : { yieldTurn }),
      now: () => performance.now(),
      loadMs: performance.now() - started,
    });
  } catch (error) {
    await backend.close();
    throw error;
  }
}
