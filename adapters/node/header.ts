import { existsSync } from "node:fs";
import { chatTemplateSource, createChatTemplate } from "../../core/chat/create.ts";
import type { ChatTemplate } from "../../core/chat/template.ts";
import { MODEL_CARD, openCheckpoint } from "../../core/checkpoint/open.ts";
import { RuntimeError } from "../../core/errors.ts";
import type { GgufModel } from "../../core/gguf/gguf.ts";
import { openGguf } from "../../core/gguf/parse.ts";
import type { ByteSource } from "../../core/gguf/source.ts";
import type { OmitStrings } from "../../core/gguf/values.ts";
import { checkIsModel } from "../../core/model/config.ts";
import { QUANTIZER_VERSION } from "../../core/quant/quantize.ts";
import { requantize } from "../../core/quant/requantized-model.ts";
import type { WeightType } from "../../core/tensor/dtype.ts";
import { createTokenizer } from "../../core/tokenizer/create.ts";
import type { Tokenizer } from "../../core/tokenizer/tokenizer.ts";
import { fileDigest, sha256 } from "./digest.ts";
import type { HttpSourceOptions } from "./sources/http-source.ts";
import { openFolder } from "./sources/open-folder.ts";
import { openSource, siblingOpener } from "./sources/open-source.ts";
import type { StoredModel } from "./store/stored-model.ts";

/** A model file that has been opened and checked. */
export interface OpenedModel {
  readonly gguf: GgufModel;
  /** Its files on disk; none for a model behind a URL. */
  readonly files: readonly string[];
  /** The type that its weights were given while they are read; absent where they are as in the files. */
  readonly quantize?: WeightType;
}

/** What can be known of a model without its weights. */
export interface ModelHeader extends OpenedModel {
  readonly tokenizer: Tokenizer;
  readonly template: ChatTemplate | undefined;
  close(): Promise<void>;
}

/** Hex digits that tell one remote model from another. */
const FINGERPRINT_DIGITS = 16;

/** How to open a model's files. */
export interface OpenModelOptions extends HttpSourceOptions {
  /** As for `openGguf`. */
  readonly omitted?: OmitStrings;
  /** The type that weights are to have, whatever they are in the files. */
  readonly quantize?: WeightType | undefined;
}

/**
 * How to fetch a model that may be behind a URL. The environment is read for URLs only: Deno asks its user for
 * leave to do that.
 *
 * @param allowHosts Hosts that may have private addresses; those of `SIROCCO_MODEL_HOSTS` unless given.
 */
export function remoteOptions(
  location: string,
  allowHosts?: readonly string[],
  signal?: AbortSignal,
): HttpSourceOptions {
  const needed = allowHosts === undefined && isRemote(location);
  const named = needed ? splitList(process.env["SIROCCO_MODEL_HOSTS"]) : [];
  return { allowHosts: allowHosts ?? named, ...(signal === undefined ? {} : { signal }) };
}

/** The parts of a list with commas between them. */
function splitList(text: string | undefined): string[] {
  return (text ?? "").split(",").flatMap((part) => part.trim() || []);
}

/**
 * Open and check a model's files: a path or a URL of a GGUF, the first file where there are several, or of a folder
 * with weights in safetensors; where there is no such file, the name of a model of the store.
 */
export async function openModel(
  location: string,
  { quantize, ...options }: OpenModelOptions = remoteOptions(location),
): Promise<OpenedModel> {
  const opened = await openFiles(location, options);
  if (quantize === undefined) return opened;
  return { ...opened, gguf: requantize(opened.gguf, quantize), quantize };
}

async function openFiles(
  location: string,
  { omitted, ...remote }: Omit<OpenModelOptions, "quantize">,
): Promise<OpenedModel> {
  const files: string[] = [];
  const remember = async (opening: Promise<ByteSource>): Promise<ByteSource> => {
    const source = await opening;
    files.push(source.name);
    return source;
  };
  const stored = await findInStore(location);
  if (stored !== undefined) {
    const open = (name: string): Promise<ByteSource> => {
      const path = stored.pathOf(name);
      if (path !== undefined && name !== MODEL_CARD) files.push(path);
      return stored.open(name);
    };
    const gguf =
      stored.main === undefined
        ? await openCheckpoint({ name: stored.manifest.name, open }, omitted)
        : await openGguf(await open(stored.main), open, omitted);
    return { gguf, files };
  }
  const folder = await openFolder(location, remote);
  let gguf: GgufModel;
  if (folder === undefined) {
    const opener = siblingOpener(location, remote);
    const source = await remember(openSource(location, remote));
    gguf = await openGguf(source, (name) => remember(opener(name)), omitted);
  } else {
    // A model card says nothing that an answer depends on.
    const open = (name: string): Promise<ByteSource> =>
      name === MODEL_CARD ? folder.open(name) : remember(folder.open(name));
    gguf = await openCheckpoint({ name: folder.name, open }, omitted);
  }
  return { gguf, files: isRemote(location) ? [] : files };
}

/** The model of the store that a location names which is neither a path nor a URL. */
async function findInStore(location: string): Promise<StoredModel | undefined> {
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(location) || existsSync(location)) return undefined;
  // It brings a validator along, which others do without.
  const { findStored } = await import("./store/stored-model.ts");
  const stored = await findStored(location);
  if (stored !== undefined) return stored;
  throw new RuntimeError(
    "MODEL_NOT_FOUND",
    `Cannot open ${location}: there is no such file, and the store has no such model (sirocco list)`,
  );
}

/** Open a model's files and read its vocabulary and chat template. */
export async function openHeader(
  location: string,
  options: OpenModelOptions = remoteOptions(location),
): Promise<ModelHeader> {
  const opened = await openModel(location, options);
  const { gguf } = opened;
  try {
    checkIsModel(gguf);
    const tokenizer = createTokenizer(gguf.metadata);
    const template = chatTemplateSource(gguf.metadata);
    return {
      ...opened,
      tokenizer,
      template: template === undefined ? undefined : createChatTemplate(template, tokenizer),
      close: () => gguf.close(),
    };
  } catch (error) {
    await gguf.close();
    throw error;
  }
}

/**
 * How to learn what identifies a model's weights: the sha256 of its files, or for one behind a URL,
 * which would have to be fetched a second time, a shorter fingerprint of its place, size and tensors.
 */
export function modelDigest(location: string, opened: OpenedModel): () => Promise<string> {
  const { gguf, files, quantize } = opened;
  if (quantize !== undefined) {
    // Other weights are another model: whose they are, and what became of them.
    const original = modelDigest(location, { gguf, files });
    return async () => sha256(`${await original()}\n${quantize} ${QUANTIZER_VERSION}`);
  }
  if (files.length > 0) return () => fileDigest(files);
  const { origin, pathname } = new URL(location);
  const tensors = [...gguf.tensors.values()].map(
    ({ name, type, shape, offset }) => `${name} ${type} ${shape.join("x")} ${offset}`,
  );
  const identity = [`${origin}${pathname}`, gguf.byteLength, ...tensors].join("\n");
  const fingerprint = sha256(identity).slice(0, FINGERPRINT_DIGITS);
  return () => Promise.resolve(fingerprint);
}

function isRemote(location: string): boolean {
  return /^https?:\/\//i.test(location);
}
