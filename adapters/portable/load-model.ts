import { createWasmBackend } from "../../backends/wasm/backend.ts";
import { chatTemplateSource, createChatTemplate } from "../../core/chat/create.ts";
import type { ChatTemplate } from "../../core/chat/template.ts";
import { createEngine, type SteppedEngine } from "../../core/engine/loop.ts";
import type { GgufModel, MetadataValue } from "../../core/gguf/gguf.ts";
import { openGguf, type OpenSibling } from "../../core/gguf/parse.ts";
import type { ByteSource } from "../../core/gguf/source.ts";
import { readConfig } from "../../core/model/config.ts";
import { loadModel as loadWeights, type LoadProgress } from "../../core/model/load.ts";
import { createTokenizer } from "../../core/tokenizer/create.ts";
import type { Tokenizer } from "../../core/tokenizer/tokenizer.ts";
// It holds arithmetic only, nothing of Node.
import { planRoom, type RoomOptions } from "../node/limits.ts";
import type { Runtime } from "./runtime.ts";

/** Requests that may wait for a slot: behind more than these, an answer would come after its client left. */
const MAX_WAITING = 128;

/** How to load, beside the model's bytes. */
export interface PortableOptions extends RoomOptions {
  readonly onProgress?: LoadProgress;
  /** Aborts loading, not the loaded model. */
  readonly signal?: AbortSignal;
}

/** What turns text into tokens and back. */
export interface Vocabulary {
  readonly tokenizer: Tokenizer;
  /** Absent where the model file has none. */
  readonly template: ChatTemplate | undefined;
}

/** The vocabulary and the chat template of a GGUF's metadata. Throws `MODEL_MALFORMED`, `MODEL_UNSUPPORTED`. */
export function readVocabulary(metadata: ReadonlyMap<string, MetadataValue>): Vocabulary {
  const tokenizer = createTokenizer(metadata);
  const source = chatTemplateSource(metadata);
  return {
    tokenizer,
    template: source === undefined ? undefined : createChatTemplate(source, tokenizer),
  };
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
  const { module, variant } = await runtime.kernels();
  const { yieldTurn, maxBytes } = runtime;
  const backend = await createWasmBackend({
    module,
    variant,
    ...(maxBytes === undefined ? {} : { maxBytes }),
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
      maxWaiting: MAX_WAITING,
      ...(yieldTurn === undefined ? {} : { yieldTurn }),
      now: () => performance.now(),
      loadMs: performance.now() - started,
    });
  } catch (error) {
    await backend.close();
    throw error;
  }
}

/** A model that answers in this thread. */
export interface PortableModel extends Vocabulary {
  readonly engine: SteppedEngine;
}

/** Load a model from its bytes, which are closed afterwards. Rejects as {@linkcode startEngine} does. */
export async function loadFrom(
  source: ByteSource,
  runtime: Runtime,
  options: PortableOptions = {},
  openSibling?: OpenSibling,
): Promise<PortableModel> {
  const gguf = await openGguf(source, openSibling);
  try {
    const vocabulary = readVocabulary(gguf.metadata);
    return { ...vocabulary, engine: await startEngine(gguf, runtime, options) };
  } finally {
    await gguf.close();
  }
}
