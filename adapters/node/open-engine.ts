import { setImmediate } from "node:timers/promises";
import type { SteppedEngine } from "../../core/engine/stepped-engine.ts";
import type { GgufModel } from "../../core/gguf/gguf.ts";
import { closeLoras, type NamedLora } from "../../core/lora/load-lora.ts";
import type { LoadProgress } from "../../core/model/load.ts";
import type { Backend } from "../../core/tensor/backend.ts";
import type { WeightType } from "../../core/tensor/dtype.ts";
import { physicalCores } from "./cores.ts";
import { createBackend, type BackendPreference } from "./backend.ts";
import { openModel, remoteOptions } from "./header.ts";
import type { RoomOptions } from "./limits.ts";
import type { LoraSource } from "./lora-source.ts";
import { openLoras } from "./open-lora.ts";
import { startOn } from "./start-on.ts";

/** Which model to compute with and how; plain data, so that it crosses to a worker. */
export interface EngineOptions extends RoomOptions {
  /** A path or an `http(s):` URL of a GGUF file, the first where there are several, of a folder, or a stored name. */
  readonly model: string;
  /** The type that weights are given while they are read; as they are in the file unless given. */
  readonly quantize?: WeightType;
  /** Hosts of URLs that may have private addresses; those of `SIROCCO_MODEL_HOSTS` unless given. */
  readonly modelHosts?: readonly string[];
  /** A smaller model of the same vocabulary that guesses next tokens where that pays; named as `model` is. */
  readonly draft?: string;
  /** Adapters that requests may take. */
  readonly lora?: readonly LoraSource[];
  /** What computes; by default the fastest that works here. */
  readonly backend?: BackendPreference;
  /** Threads that compute, the physical cores unless given; a backend that has fewer uses those. */
  readonly threads?: number;
  /** Bytes that a GPU's buffers may take; unbounded unless given. */
  readonly gpuBytes?: number;
  /** Take the times of a GPU's kernels, for `WebGpuBackend.takeProfile`. */
  readonly profile?: boolean;
}

/** How to compute with models that are open already. */
interface StartOptions extends Omit<EngineOptions, "model" | "draft" | "lora"> {
  readonly draft?: GgufModel | undefined;
  readonly loras?: readonly NamedLora[];
}

/** Told of the backend once it is there. */
export type OnBackend = (backend: Backend) => void;

/** Load a model's weights into a backend in this thread and start its engine. */
export async function openEngine(
  options: EngineOptions,
  onProgress?: LoadProgress,
  signal?: AbortSignal,
  onBackend?: OnBackend,
): Promise<SteppedEngine> {
  const started = performance.now();
  // The tokens' texts are for who answers requests; an engine knows numbers.
  const { gguf } = await openModel(options.model, {
    ...remoteOptions(options.model, options.modelHosts, signal),
    omitted: (key) => key.startsWith("tokenizer."),
    quantize: options.quantize,
  });
  try {
    const { lora = [], ...others } = options;
    const draft = await openDraft(options, signal);
    try {
      const loras = await openLoras(lora, gguf, options.modelHosts, signal);
      try {
        const open = { ...others, draft, loras };
        return await startEngine(gguf, open, started, onProgress, signal, onBackend);
      } finally {
        await closeLoras(loras);
      }
    } finally {
      await draft?.close();
    }
  } finally {
    await gguf.close();
  }
}

async function openDraft(
  { draft, modelHosts }: EngineOptions,
  signal: AbortSignal | undefined,
): Promise<GgufModel | undefined> {
  if (draft === undefined) return undefined;
  const { gguf } = await openModel(draft, {
    ...remoteOptions(draft, modelHosts, signal),
    omitted: (key) => key.startsWith("tokenizer."),
  });
  return gguf;
}

/** The same for a model that is open already, and stays so; `started` is when loading began, by `performance.now`. */
export async function startEngine(
  gguf: GgufModel,
  options: StartOptions,
  started: number,
  onProgress?: LoadProgress,
  signal?: AbortSignal,
  onBackend?: OnBackend,
): Promise<SteppedEngine> {
  const { draft, loras = [] } = options;
  const preference = options.backend ?? "auto";
  const { backend, choice } = await createBackend({
    // Guesses are verified where a row's bits do not depend on the rows beside it.
    preference: preference === "auto" && draft !== undefined ? "wasm" : preference,
    threads: options.threads ?? physicalCores(),
    model: { gguf, draft, room: options, loras },
    gpuBytes: options.gpuBytes,
    signal,
    ...(options.profile === undefined ? {} : { profile: options.profile }),
  });
  onBackend?.(backend);
  return startOn(backend, gguf, {
    room: options,
    draft,
    loras,
    started,
    choice,
    yieldTurn: () => setImmediate(),
    onProgress,
    signal,
  });
}
