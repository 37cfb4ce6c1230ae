import type { GgufModel } from "../gguf/gguf.ts";
import { MAX_SHARDS } from "../gguf/limits.ts";
import { malformed, quote } from "../gguf/problem.ts";
import type { ByteSource } from "../gguf/source.ts";
import type { OmitStrings } from "../gguf/values.ts";
import { readSafetensorsHeader } from "../safetensors/header.ts";
import { writeConfig } from "./config.ts";
import { asObject, fileIn, readObject, readText, type ModelFolder } from "./folder.ts";
import { createMetadataWriter, type MetadataWriter } from "./metadata-writer.ts";
import { writeVocabulary } from "./vocabulary.ts";
import type { CheckpointEntry } from "./elements.ts";
import { placeTensors, type CheckpointTensors } from "./weights.ts";

const CONFIG = "config.json";
const SINGLE = "model.safetensors";
const INDEX = "model.safetensors.index.json";

/** What a model's authors say about it; its front matter has the licence. */
export const MODEL_CARD = "README.md";

/** `general.file_type` by the type of most weights, where GGUF has one. */
const FILE_TYPES: ReadonlyMap<string, number> = new Map([
  ["f32", 0],
  ["f16", 1],
  ["bf16", 32],
]);

/**
 * Open a folder as Hugging Face's libraries write it: `config.json`, weights in safetensors, a vocabulary. It is
 * presented as the GGUF model that llama.cpp's converter would make of it, so nobody downstream needs to know;
 * weights change their order, where they have to, while they are read.
 *
 * Everything that was opened is closed with the model, and by a failure here. Rejects with `MODEL_MALFORMED`,
 * `MODEL_UNSUPPORTED`, `MODEL_NOT_FOUND`.
 *
 * @param omitted As for `openGguf`: without the vocabulary's strings its files are not even read.
 */
export async function openCheckpoint(
  folder: ModelFolder,
  omitted: OmitStrings = () => false,
): Promise<GgufModel> {
  const values = await readObject(folder, CONFIG);
  if (values === undefined) throw malformed(fileIn(folder, CONFIG), "there is no such file");
  const writer = createMetadataWriter();
  const config = writeConfig(fileIn(folder, CONFIG), values, writer);
  await writePooling(folder, config.architecture.name, writer);
  writer.set("general.name", "string", nameOf(folder));
  writer.set("general.license", "string", await readLicense(folder));

  const shards: ByteSource[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(shards.map((shard) => shard.close()));
  };
  try {
    const entries = await openShards(folder, shards);
    const placed = await placeTensors(shards, entries, config);
    writer.set("general.file_type", "u32", fileType(placed));
    if (!omitted("tokenizer.ggml.tokens")) {
      const rows = placed.tensors.get("token_embd.weight")?.shape[0] ?? 0;
      await writeVocabulary(folder, config.tokens, rows, writer);
    }
    return presentAsGguf(writer, placed, shards, close);
  } catch (error) {
    await close();
    throw error;
  }
}

function presentAsGguf(
  { metadata, types }: MetadataWriter,
  { tensors, readers }: CheckpointTensors,
  shards: readonly ByteSource[],
  close: () => Promise<void>,
): GgufModel {
  return {
    version: 0,
    metadata,
    types,
    tensors,
    byteLength: shards.reduce((sum, shard) => sum + shard.size, 0),
    async read(tensor, offset, into) {
      if (offset < 0 || offset + into.byteLength > tensor.byteLength) {
        throw new RangeError(
          `Cannot read bytes ${offset} to ${offset + into.byteLength} of ${tensor.name}: it has ${tensor.byteLength}`,
        );
      }
      await readers.get(tensor.name)!(offset, into);
    },
    close,
  };
}

/** Opens the files of weights, adding each to `shards` before anything can fail. */
async function openShards(folder: ModelFolder, shards: ByteSource[]): Promise<CheckpointEntry[]> {
  const index = await readObject(folder, INDEX);
  const names = index === undefined ? [SINGLE] : shardNames(fileIn(folder, INDEX), index);
  const entries: CheckpointEntry[] = [];
  const seen = new Set<string>();
  for (const name of names) {
    const source = await folder.open(name);
    shards.push(source);
    for (const entry of await readSafetensorsHeader(source)) {
      if (seen.has(entry.name)) {
        throw malformed(source.name, `tensor ${quote(entry.name)} occurs twice`);
      }
      seen.add(entry.name);
      entries.push({ ...entry, shard: shards.length - 1 });
    }
  }
  return entries;
}

/** A file beside the index: a name from a file must not lead elsewhere. */
const SHARD_NAME = /^[\w][\w.-]{0,200}\.safetensors$/;

function shardNames(file: string, index: Readonly<Record<string, unknown>>): string[] {
  const map = asObject(index["weight_map"]);
  if (map === undefined) throw malformed(file, "it has no weight_map");
  const names = [...new Set(Object.values(map))];
  if (names.length === 0 || names.length > MAX_SHARDS) {
    throw malformed(file, `it names ${names.length} files, 1 to ${MAX_SHARDS} may be`);
  }
  return names
    .map((name) => {
      if (typeof name === "string" && SHARD_NAME.test(name)) return name;
      throw malformed(file, `${quote(String(name))} is no name of a file of weights`);
    })
    .toSorted();
}

/** How sentence-transformers make one vector of a text: the file of its first pooling step. */
export const POOLING_FILE = "1_Pooling/config.json";

/** GGUF's number of each way, by the flag that says it. */
const POOLINGS = [
  ["pooling_mode_mean_tokens", 1],
  ["pooling_mode_cls_token", 2],
  ["pooling_mode_lasttoken", 3],
] as const;

async function writePooling(
  folder: ModelFolder,
  architecture: string,
  writer: MetadataWriter,
): Promise<void> {
  const flags = await readObject(folder, POOLING_FILE);
  const found = POOLINGS.filter(([flag]) => flags?.[flag] === true);
  if (found.length > 1) {
    throw malformed(fileIn(folder, POOLING_FILE), `it asks for ${found.length} poolings at once`);
  }
  writer.set(`${architecture}.pooling_type`, "u32", found[0]?.[1]);
}

function fileType({ tensors }: CheckpointTensors): number | undefined {
  const bytes = new Map<string, number>();
  for (const { type, byteLength } of tensors.values()) {
    bytes.set(type, (bytes.get(type) ?? 0) + byteLength);
  }
  const [most] = [...bytes].toSorted((a, b) => b[1] - a[1]);
  return FILE_TYPES.get(most?.[0] ?? "");
}

function nameOf({ name }: ModelFolder): string {
  return /[^/\\]+(?=[/\\]*$)/.exec(name)?.[0] ?? name;
}

/** `license:` of the front matter of a model card. */
async function readLicense(folder: ModelFolder): Promise<string | undefined> {
  const card = await readText(folder, MODEL_CARD);
  const [, front] = /^---\r?\n([^]*?)\r?\n---/.exec(card?.slice(0, 16_384) ?? "") ?? [];
  return /^license:[ \t]*([\w.-]{1,60})[ \t]*$/m.exec(front ?? "")?.[1];
}
