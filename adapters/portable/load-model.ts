import { chatTemplateSource, createChatTemplate } from "../../core/chat/create.ts";
import type { ChatTemplate } from "../../core/chat/template.ts";
import type { SteppedEngine } from "../../core/engine/stepped-engine.ts";
import type { MetadataValue } from "../../core/gguf/gguf.ts";
import { openGguf, type OpenSibling } from "../../core/gguf/parse.ts";
import type { ByteSource } from "../../core/gguf/source.ts";
import { createTokenizer } from "../../core/tokenizer/create.ts";
import type { Tokenizer } from "../../core/tokenizer/tokenizer.ts";
import type { Runtime } from "./runtime.ts";
import { startEngine, type PortableOptions } from "./start-engine.ts";

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
