/**
 * Adapters as Hugging Face's PEFT saves them: `adapter_config.json` beside `adapter_model.safetensors`
 * (https://huggingface.co/docs/peft, "PEFT checkpoint format").
 */
import {
  CHECKPOINT_ARCHITECTURES,
  type CheckpointArchitecture,
} from "../checkpoint/architectures.ts";
import { openElements, type CheckpointEntry } from "../checkpoint/elements.ts";
import {
  asObject,
  fileIn,
  readObject,
  type JsonObject,
  type ModelFolder,
} from "../checkpoint/folder.ts";
import { placeOf } from "../checkpoint/place.ts";
import { pairedReader, type TensorReader } from "../checkpoint/tensor-reader.ts";
import type { GgufModel, TensorInfo } from "../gguf/gguf.ts";
import { malformed, quote, unsupported } from "../gguf/problem.ts";
import type { ByteSource } from "../gguf/source.ts";
import { readConfig } from "../model/config.ts";
import { readSafetensorsHeader } from "../safetensors/header.ts";
import { byteLength } from "../tensor/dtype.ts";
import type { LoraFile, LoraPair } from "./lora-file.ts";
import { addFactor, checkAlpha, toSites } from "./read-pairs.ts";

/** The files of a saved adapter. */
export const PEFT_CONFIG = "adapter_config.json";
const WEIGHTS = "adapter_model.safetensors";

/** What an adapter may do beside its factors: the values that mean that it does not. */
const UNUSED: ReadonlyMap<string, (value: unknown) => boolean> = new Map([
  ["use_dora", isOff],
  ["lora_bias", isOff],
  ["bias", (value) => value === "none" || isOff(value)],
  ["modules_to_save", isEmpty],
  ["alpha_pattern", isEmpty],
  ["layer_replication", isEmpty],
  ["trainable_token_indices", isEmpty],
  ["target_parameters", isEmpty],
  ["fan_in_fan_out", isOff],
]);

/**
 * Open an adapter for a model, whose family says what its layers are called there. Rejects with `MODEL_NOT_FOUND`,
 * `MODEL_MALFORMED` and `MODEL_UNSUPPORTED`.
 */
export async function openPeftLora(folder: ModelFolder, model: GgufModel): Promise<LoraFile> {
  const config = await readObject(folder, PEFT_CONFIG);
  const file = fileIn(folder, PEFT_CONFIG);
  if (config === undefined) {
    throw malformed(folder.name, `it has no ${PEFT_CONFIG}: a model is given as --model`);
  }
  checkConfig(file, config);
  const alpha = checkAlpha(file, config["lora_alpha"]);
  const root = config["use_rslora"] === true;
  const source = await folder.open(WEIGHTS);
  try {
    const { pairs, readers } = await readPairs(source, model);
    const sites = toSites(source.name, pairs, (rank) => alpha / (root ? Math.sqrt(rank) : rank));
    return {
      name: folder.name,
      sites,
      byteLength: source.size,
      read: (factor, offset, into) => readers.get(factor.name)!(offset, into),
      close: () => source.close(),
    };
  } catch (error) {
    await source.close();
    throw error;
  }
}

function checkConfig(file: string, config: JsonObject): void {
  if (config["peft_type"] !== "LORA") {
    const shown = quote(JSON.stringify(config["peft_type"] ?? null));
    throw unsupported(file, `its peft_type is ${shown}, only "LORA" is supported`);
  }
  for (const [field, isUnused] of UNUSED) {
    const value = config[field];
    if (value === undefined || value === null || isUnused(value)) continue;
    throw unsupported(
      file,
      `its ${field} is ${quote(JSON.stringify(value))}, which is not supported: only plain factors are`,
    );
  }
}

function isOff(value: unknown): boolean {
  return value === false;
}

function isEmpty(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  const fields = asObject(value);
  return fields !== undefined && Object.keys(fields).length === 0;
}

/** What is before the name that a module has in its model, and what tells the factors apart behind it. */
const FACTOR = /^base_model\.model\.(.+)\.lora_([AB])(?:\.default)?\.weight$/;

async function readPairs(
  source: ByteSource,
  model: GgufModel,
): Promise<{
  readonly pairs: ReadonlyMap<string, LoraPair>;
  readonly readers: ReadonlyMap<string, TensorReader>;
}> {
  const families = familiesOf(source.name, model);
  const pairs = new Map<string, LoraPair>();
  const readers = new Map<string, TensorReader>();
  for (const entry of await readSafetensorsHeader(source)) {
    const [, path, letter] = FACTOR.exec(entry.name) ?? [];
    if (path === undefined) {
      throw unsupported(
        source.name,
        `tensor ${quote(entry.name)} is no factor: only adapters of low rank and nothing beside them are supported`,
      );
    }
    const { weight, family } = weightOf(source.name, path, families);
    const part = letter === "A" ? "down" : "up";
    const name = `${weight}.lora_${part === "down" ? "a" : "b"}`;
    if (readers.has(name)) throw malformed(source.name, `tensor ${quote(entry.name)} occurs twice`);
    const { info, read } = await openFactor(source, entry, name);
    const isPaired = part === "up" && family.paired === true && /\.attn_[qk]\.weight$/.test(weight);
    readers.set(name, isPaired ? paired(source.name, info, read, model) : read);
    addFactor(pairs, weight, part, info);
  }
  return { pairs, readers };
}

/** Families of checkpoints that become such a model; those that share a name differ in what few tensors are called. */
function familiesOf(file: string, { metadata }: GgufModel): readonly CheckpointArchitecture[] {
  const architecture = metadata.get("general.architecture");
  const families = new Set(
    [...CHECKPOINT_ARCHITECTURES.values()].filter(({ name }) => name === architecture),
  );
  if (families.size > 0) return [...families];
  throw unsupported(
    file,
    `what layers of ${quote(String(architecture))} are called in safetensors is not known; ` +
      "convert the adapter to GGUF (convert_lora_to_gguf.py)",
  );
}

function weightOf(
  file: string,
  path: string,
  families: readonly CheckpointArchitecture[],
): { readonly weight: string; readonly family: CheckpointArchitecture } {
  for (const family of families) {
    const place = placeOf(`${path}.weight`, family);
    if (place === undefined) continue;
    if (place.expert !== undefined) {
      throw unsupported(file, `it changes experts (${quote(path)}), which is not supported`);
    }
    return { weight: place.name, family };
  }
  throw unsupported(
    file,
    `this model has no layer ${quote(path)}; use the model that the adapter was trained for`,
  );
}

async function openFactor(
  source: ByteSource,
  entry: Omit<CheckpointEntry, "shard">,
  name: string,
): Promise<{ readonly info: TensorInfo; readonly read: TensorReader }> {
  const { type, read } = await openElements([source], { ...entry, shard: 0 }, undefined);
  const { shape, offset } = entry;
  const values = shape.reduce((product, size) => product * size, 1);
  const info = { name, type, shape, byteLength: byteLength(type, values), shard: 0, offset };
  return { info, read };
}

/** Rows of queries and keys in GGUF's order, as those of the weights are. */
function paired(
  file: string,
  { name, type, shape }: TensorInfo,
  read: TensorReader,
  model: GgufModel,
): TensorReader {
  const { headDim } = readConfig(model);
  const [rows = 0, rank = 1] = shape;
  if (headDim % 2 !== 0 || rows % headDim !== 0) {
    throw unsupported(
      file,
      `the ${rows} rows of ${name} are no whole heads of ${headDim}; use the model that the adapter was trained for`,
    );
  }
  return pairedReader(read, byteLength(type, rank), headDim);
}
