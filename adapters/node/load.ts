import type { ChatTemplate } from "../../core/chat/template.ts";
import type { Engine } from "../../core/engine/engine.ts";
import type { RuntimeError } from "../../core/errors.ts";
import { readConfig } from "../../core/model/config.ts";
import type { LoadProgress } from "../../core/model/load.ts";
import type { ModelConfig } from "../../core/model/model.ts";
import { weightBytes } from "../../core/model/tensors.ts";
import type { Backend } from "../../core/tensor/backend.ts";
import type { Tokenizer } from "../../core/tokenizer/tokenizer.ts";
import { modelDigest, openHeader, remoteOptions } from "./header.ts";
import { openEngine, type EngineOptions } from "./open-engine.ts";
import { quantName } from "./quant-mix.ts";
import { startWorker } from "./worker-engine.ts";

/** Which model to load and how. */
export interface LoadOptions extends EngineOptions {
  /**
   * Compute in this thread: for measurements. A server must not, because nothing else happens in a
   * thread while it computes a step.
   */
  readonly inProcess?: boolean;
  /** Begin with the digest while the weights load, for callers that are going to ask for it. */
  readonly identify?: boolean;
  /** Told of the bytes of weights read so far, and in all. */
  readonly onProgress?: LoadProgress;
  /** Aborts loading, not the loaded model. */
  readonly signal?: AbortSignal;
}

/** A model that answers. */
export interface LoadedModel {
  /** Its hyper-parameters. */
  readonly config: ModelConfig;
  /** Tokens in, tokens out. */
  readonly engine: Engine;
  /** Its vocabulary. */
  readonly tokenizer: Tokenizer;
  /** Absent where the model file has none. */
  readonly template: ChatTemplate | undefined;
  /** What the file calls its quantisation: `q4_0`, `q4_k_m`. */
  readonly quant: string;
  /** Its files on disk; none for a model behind a URL. */
  readonly files: readonly string[];
  /** What the file says that it is distributed under; absent where it says nothing. */
  readonly license?: string;
  /** Bytes of weights that one step of one token reads. */
  readonly weightBytesPerToken: number;
  /** Identifies the weights: sha256 of the files in hex, a shorter fingerprint for a URL. */
  digest(): Promise<string>;
  /** Resolves if the worker dies before `close`; its requests have then ended with `INTERNAL`. */
  readonly died: Promise<RuntimeError>;
  /** End its requests, then the worker, and release the memory. */
  close(): Promise<void>;
}

/**
 * Load a model: vocabulary and template here, where requests come in; weights and computation in a
 * worker, which reads them straight to where it needs them, so that no second copy exists.
 *
 * Rejects with `MODEL_NOT_FOUND`, `MODEL_MALFORMED`, `MODEL_UNSUPPORTED`, `INSUFFICIENT_RESOURCES`,
 * `ABORTED`.
 */
export async function loadLocal(options: LoadOptions): Promise<LoadedModel> {
  const { inProcess = false, identify = false, onProgress, signal, ...engineOptions } = options;
  if (inProcess) return loadHere(options);
  // The vocabulary is read while the worker starts. Whichever fails first ends the other.
  const failed = new AbortController();
  const ended = signal === undefined ? failed.signal : AbortSignal.any([failed.signal, signal]);
  const starting = startWorker(engineOptions, onProgress, ended);
  // It is awaited below, but may fail before that.
  starting.catch(() => {});
  try {
    const header = await readModelHeader(engineOptions, ended);
    // Whoever asks later learns of a failure.
    if (identify) header.digest().catch(() => {});
    const worker = await starting;
    return { ...header, ...worker };
  } catch (error) {
    failed.abort(error);
    await starting.then(
      (worker) => worker.close(),
      () => {},
    );
    throw error;
  }
}

/** Load a model to compute in this thread; `onBackend` is told with what. Rejects as {@linkcode loadLocal} does. */
export async function loadHere(
  { onProgress, signal, ...options }: LoadOptions,
  onBackend?: (backend: Backend) => void,
): Promise<LoadedModel> {
  const header = await readModelHeader(options, signal);
  const engine = await openEngine(options, onProgress, signal, onBackend);
  const died = new Promise<RuntimeError>(() => {});
  return { ...header, engine, died, close: () => engine.close() };
}

/** What a {@linkcode LoadedModel} has beside its engine. */
type HeaderFacts = Omit<LoadedModel, "engine" | "died" | "close">;

async function readModelHeader(
  { model: location, modelHosts }: EngineOptions,
  signal: AbortSignal | undefined,
): Promise<HeaderFacts> {
  const header = await openHeader(location, remoteOptions(location, modelHosts, signal));
  const { gguf, tokenizer, template } = header;
  const license = gguf.metadata.get("general.license");
  try {
    return {
      config: readConfig(gguf),
      tokenizer,
      template,
      quant: quantName(gguf),
      files: header.files,
      ...(typeof license === "string" ? { license } : {}),
      weightBytesPerToken: weightBytes(gguf).perToken,
      digest: once(modelDigest(location, header)),
    };
  } finally {
    await header.close();
  }
}

/** Do it when first asked, and never again. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}
