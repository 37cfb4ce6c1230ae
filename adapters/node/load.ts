import type { ChatTemplate } from "../../core/chat/template.ts";
import type { Engine } from "../../core/engine/engine.ts";
import type { EngineChange } from "../../core/engine/engine-succession.ts";
import { UNBROKEN, type EngineCondition } from "../../core/engine/lasting-engine.ts";
import { superviseEngine, type SupervisionLimits } from "../../core/engine/supervised.ts";
import { RuntimeError } from "../../core/errors.ts";
import { closeLoras } from "../../core/lora/load-lora.ts";
import { readConfig } from "../../core/model/config.ts";
import type { LoadProgress } from "../../core/model/load.ts";
import type { ModelConfig } from "../../core/model/model.ts";
import { weightBytes } from "../../core/model/tensors.ts";
import { vocabularyDifference } from "../../core/tokenizer/same-vocabulary.ts";
import type { Tokenizer } from "../../core/tokenizer/tokenizer.ts";
import { fileMarks } from "./digest.ts";
import { modelDigest, openHeader, remoteOptions } from "./header.ts";
import { openEngine, type EngineOptions, type OnBackend } from "./open-engine.ts";
import { loraFacts, openLoras, type LoraFacts } from "./open-lora.ts";
import { quantName } from "./quant-mix.ts";
import { startWorker } from "./worker-engine.ts";

/** Which model to load and how. */
export interface LoadOptions extends EngineOptions {
  /**
   * Compute in this thread: for measurements. A server must not, because nothing else happens in a
   * thread while it computes a step, and because an engine that breaks there is not replaced.
   */
  readonly inProcess?: boolean;
  /**
   * Told of the backend that computes in this thread.
   *
   * @internal
   */
  readonly onBackend?: OnBackend;
  /** Begin with the digest while the weights load, for callers that are going to ask for it. */
  readonly identify?: boolean;
  /** Told of the bytes of weights read so far, and in all. */
  readonly onProgress?: LoadProgress;
  /** Aborts loading, not the loaded model. */
  readonly signal?: AbortSignal;
  /** Told when the engine breaks and when it has been replaced. */
  readonly onEngineChange?: (change: EngineChange) => void;
  /** When an engine is given up and how often it is replaced, where that differs from the defaults. */
  readonly supervision?: Partial<SupervisionLimits>;
  /** The worker's program, where a bundler has put it elsewhere. */
  readonly workerFile?: URL;
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
  /** The adapters that requests may take; none unless asked for. */
  readonly loras: readonly LoraFacts[];
  /** Bytes of weights that one step of one token reads. */
  readonly weightBytesPerToken: number;
  /** Identifies the weights: sha256 of the files in hex, a shorter fingerprint for a URL. */
  digest(): Promise<string>;
  /** How the engine is: whether it is being replaced, and what has broken so far. */
  condition(): EngineCondition;
  /** Resolves when it has broken so often that it is not replaced any more. */
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
  const {
    inProcess = false,
    identify = false,
    onProgress,
    onBackend,
    signal,
    onEngineChange,
    supervision,
    workerFile,
    ...engineOptions
  } = options;
  if (inProcess) {
    const { header } = await readModelHeader(engineOptions, signal);
    const engine = await openEngine(engineOptions, onProgress, signal, onBackend);
    const died = new Promise<RuntimeError>(() => {});
    return { ...header, engine, condition: () => UNBROKEN, died, close: () => engine.close() };
  }
  // The vocabulary is read while the worker starts. Whichever fails first ends the other.
  const failed = new AbortController();
  const ended = signal === undefined ? failed.signal : AbortSignal.any([failed.signal, signal]);
  let progress = onProgress;
  let checkFiles: (() => Promise<void>) | undefined;
  const starting = superviseEngine({
    async open({ degraded, signal: end }) {
      await checkFiles?.();
      const wanted: EngineOptions = degraded
        ? { ...engineOptions, backend: "wasm" }
        : engineOptions;
      return startWorker(wanted, progress, end, workerFile);
    },
    signal: ended,
    onChange: onEngineChange,
    limits: supervision,
  });
  // It is awaited below, but may fail before that.
  starting.catch(() => {});
  try {
    const { header, files } = await readModelHeader(engineOptions, ended);
    checkFiles = await changeChecker(files);
    // Whoever asks later learns of a failure.
    if (identify) header.digest().catch(() => {});
    const engine = await starting;
    // Vocabulary and weights were read at different times, and have to be of one model.
    await checkFiles();
    // Those who watched the first engine load are told of changes only.
    progress = undefined;
    const { gone: died } = engine;
    return {
      ...header,
      engine,
      condition: () => engine.condition(),
      died,
      close: () => engine.close(),
    };
  } catch (error) {
    failed.abort(error);
    await starting.then(
      (engine) => engine.close(),
      () => {},
    );
    throw error;
  }
}

/** What a {@linkcode LoadedModel} has beside its engine. */
type HeaderFacts = Omit<LoadedModel, "engine" | "condition" | "died" | "close">;

async function readModelHeader(
  { model: location, draft, lora = [], modelHosts, quantize }: EngineOptions,
  signal: AbortSignal | undefined,
): Promise<{ readonly header: HeaderFacts; readonly files: readonly string[] }> {
  const header = await openHeader(location, {
    ...remoteOptions(location, modelHosts, signal),
    quantize,
  });
  const { gguf, tokenizer, template } = header;
  const license = gguf.metadata.get("general.license");
  try {
    if (draft !== undefined) await checkDraft(draft, tokenizer, modelHosts, signal);
    const opened = await openLoras(lora, gguf, modelHosts, signal);
    await closeLoras(opened);
    const facts = {
      config: readConfig(gguf),
      tokenizer,
      template,
      quant: quantName(gguf),
      files: header.files,
      ...(typeof license === "string" ? { license } : {}),
      loras: loraFacts(lora, opened),
      weightBytesPerToken: weightBytes(gguf).perToken,
      digest: once(modelDigest(location, header)),
    };
    return { header: facts, files: [...header.files, ...opened.flatMap(({ files }) => files)] };
  } finally {
    await header.close();
  }
}

/** Rejects with `MODEL_UNSUPPORTED` where a draft model's tokens are others. */
async function checkDraft(
  location: string,
  tokenizer: Tokenizer,
  modelHosts: readonly string[] | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  const header = await openHeader(location, remoteOptions(location, modelHosts, signal));
  const difference = vocabularyDifference(tokenizer, header.tokenizer);
  await header.close();
  if (difference === undefined) return;
  throw new RuntimeError(
    "MODEL_UNSUPPORTED",
    `Cannot use ${location} as a draft model: its vocabulary is another one (${difference})`,
  );
}

/**
 * What rejects with `MODEL_MALFORMED` once the files are not those that they are now: answers would go on with other
 * weights than they began with.
 */
async function changeChecker(files: readonly string[]): Promise<() => Promise<void>> {
  const marks = await fileMarks(files);
  return async () => {
    if ((await fileMarks(files)) === marks) return;
    throw new RuntimeError(
      "MODEL_MALFORMED",
      `Cannot load ${files[0]}: it has changed since loading began; start anew`,
    );
  };
}

/** Do it when first asked, and never again. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}
