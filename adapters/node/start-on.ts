import { createEngine } from "../../core/engine/loop.ts";
import type { SteppedEngine } from "../../core/engine/stepped-engine.ts";
import type { GgufModel } from "../../core/gguf/gguf.ts";
import { readConfig } from "../../core/model/config.ts";
import { checkFit } from "../../core/model/fit.ts";
import { loadModel, type LoadProgress } from "../../core/model/load.ts";
import { workloadOf } from "../../core/model/workload.ts";
import type { Backend } from "../../core/tensor/backend.ts";
import type { Choice } from "../../core/tensor/choice.ts";
import { planQueue, planRoom, type RoomOptions } from "./limits.ts";

/** How an engine is started, whatever the runtime. */
export interface StartOptions {
  readonly room: RoomOptions;
  /** Why it is this backend. */
  readonly choice?: Choice;
  /** When loading began, by `performance.now`. */
  readonly started: number;
  /** Resolves after other events had their turn; without it the engine is driven by `step`. */
  readonly yieldTurn?: () => Promise<void>;
  readonly onProgress: LoadProgress | undefined;
  /** Aborts loading, not the loaded model. */
  readonly signal: AbortSignal | undefined;
}

/**
 * Load a model's weights into a backend, which is closed where that fails, and start its engine. The GGUF
 * stays the caller's. Rejects with `MODEL_MALFORMED`, `MODEL_UNSUPPORTED`, `INSUFFICIENT_RESOURCES`,
 * `ABORTED`.
 */
export async function startOn(
  backend: Backend,
  gguf: GgufModel,
  { room: asked, started, choice, yieldTurn, onProgress, signal }: StartOptions,
): Promise<SteppedEngine> {
  try {
    const room = planRoom(readConfig(gguf), asked, backend.kvBlock);
    checkFit(backend, workloadOf(gguf, room.limits));
    const model = await loadModel(gguf, backend, room.limits, onProgress, signal);
    return createEngine({
      model,
      backend,
      contextLength: room.contextLength,
      maxSequences: room.parallel,
      ...planQueue(room),
      sharePrefixes: asked.sharePrefixes ?? true,
      speculate: asked.speculate ?? true,
      ...(yieldTurn === undefined ? {} : { yieldTurn }),
      ...(choice === undefined ? {} : { choice }),
      now: () => performance.now(),
      loadMs: performance.now() - started,
    });
  } catch (error) {
    await backend.close();
    throw error;
  }
}
