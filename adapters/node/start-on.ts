import { createEngine } from "../../core/engine/loop.ts";
import { RuntimeError } from "../../core/errors.ts";
import type { SteppedEngine } from "../../core/engine/stepped-engine.ts";
import type { GgufModel } from "../../core/gguf/gguf.ts";
import { adaptModel } from "../../core/lora/adapted-model.ts";
import { checkLoras } from "../../core/lora/check.ts";
import { loadLora, type LoadedLora, type NamedLora } from "../../core/lora/load-lora.ts";
import { readConfig } from "../../core/model/config.ts";
import { checkFit } from "../../core/model/fit.ts";
import { loadModel, type LoadProgress } from "../../core/model/load.ts";
import type { ModelConfig } from "../../core/model/model.ts";
import { workloadOf } from "../../core/model/workload.ts";
import type { Backend } from "../../core/tensor/backend.ts";
import type { Choice } from "../../core/tensor/choice.ts";
import type { Workload } from "../../core/tensor/workload.ts";
import { planQueue, planRoom, type Room, type RoomOptions } from "./limits.ts";

/** How an engine is started, whatever the runtime. */
export interface StartOptions {
  readonly room: RoomOptions;
  /** A smaller model that guesses, open like the other one. */
  readonly draft?: GgufModel | undefined;
  /** Adapters that requests may take, open like the model, by their names. */
  readonly loras?: readonly NamedLora[];
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
  { room: asked, draft, loras = [], started, choice, yieldTurn, onProgress, signal }: StartOptions,
): Promise<SteppedEngine> {
  try {
    if (draft !== undefined) checkDraft(draft, readConfig(gguf), backend);
    checkLoras(loras, gguf);
    const { room, draftLimits, workload } = planModels(
      { gguf, draft, room: asked, loras },
      backend.kvBlock,
    );
    checkFit(backend, workload);
    const alone = await loadModel(gguf, backend, room.limits, onProgress, signal);
    const loaded: LoadedLora[] = [];
    for (const lora of loras) loaded.push(await loadLora(lora, backend, signal));
    const model = adaptModel(alone, loaded);
    return createEngine({
      model,
      ...(draft === undefined
        ? {}
        : { draft: await loadModel(draft, backend, draftLimits, undefined, signal) }),
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

/** What is going to be computed. */
export interface ModelsToRun {
  readonly gguf: GgufModel;
  /** A smaller model that guesses. */
  readonly draft?: GgufModel | undefined;
  readonly room: RoomOptions;
  /** Adapters that rows may take, checked with the model. */
  readonly loras?: readonly NamedLora[];
}

/** What models get, and what they ask of a backend together. */
export interface ModelsPlan {
  readonly room: Room;
  readonly draftLimits: Room["limits"];
  readonly workload: Workload;
}

/** Plan models before there is a backend for them, unless given its `kvBlock`. Throws as `workloadOf` does. */
export function planModels(
  { gguf, draft, room: asked, loras }: ModelsToRun,
  kvBlock?: number,
): ModelsPlan {
  const beside = draft === undefined ? undefined : readConfig(draft);
  const room = planRoom(readConfig(gguf), asked, kvBlock, beside);
  const draftLimits = {
    ...room.limits,
    maxLogitRows: Math.min(room.limits.maxRows, room.parallel),
  };
  const workload = workloadOf(gguf, room.limits, loras);
  return {
    room,
    draftLimits,
    workload: draft === undefined ? workload : together(workload, workloadOf(draft, draftLimits)),
  };
}

/** Throws `MODEL_UNSUPPORTED` where it cannot guess for the other one. */
function checkDraft(draft: GgufModel, model: ModelConfig, backend: Backend): void {
  const config = readConfig(draft);
  const fail = (why: string): RuntimeError =>
    new RuntimeError("MODEL_UNSUPPORTED", `Cannot use ${config.name} as a draft model: ${why}`);
  if (backend.name.startsWith("webgpu")) {
    throw fail("on a GPU answers would depend on what was guessed; use --backend wasm");
  }
  if (config.embedsOnly === true || model.embedsOnly === true) {
    throw fail("there is nothing to guess where texts are embedded only");
  }
  if (config.vocabSize !== model.vocabSize) {
    throw fail(`it has ${config.vocabSize} tokens, ${model.name} has ${model.vocabSize}`);
  }
}

/** What two models ask of a backend together. */
function together(a: Workload, b: Workload): Workload {
  return {
    weights: [...a.weights, ...b.weights],
    activations: [...a.activations, ...b.activations],
    caches: [...a.caches, ...b.caches],
    operations: a.operations,
  };
}
