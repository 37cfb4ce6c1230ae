import { Command } from "commander";
import { planMemories } from "../../../backends/wasm/memories.ts";
import { STAGING_BYTES } from "../../../backends/wasm/need.ts";
import type { GgufModel, MetadataValue } from "../../../core/gguf/gguf.ts";
import { readGgufLora } from "../../../core/lora/gguf-lora.ts";
import { readConfig } from "../../../core/model/config.ts";
import type { ModelConfig } from "../../../core/model/model.ts";
import { checkTensors, weightBytes } from "../../../core/model/tensors.ts";
import { workloadOf } from "../../../core/model/workload.ts";
import { RuntimeError } from "../../../core/errors.ts";
import type { KvType } from "../../../core/tensor/kv-type.ts";
import { openModel, type OpenedModel } from "../header.ts";
import { kvBytesPerToken, planRoom } from "../limits.ts";
import { kvTypeOption } from "./options.ts";
import { quantMix, quantName } from "../quant-mix.ts";
import { formatBytes, printable, printJson, printLine, table } from "./terminal.ts";

interface ShowFlags {
  readonly tensors?: true;
  readonly json?: true;
  readonly kvType?: KvType;
}

/** Longer values (vocabularies, templates) are cut to this many characters. */
const VALUE_CHARACTERS = 80;

/** `sirocco show`: what is in a model file. */
export function showCommand(): Command {
  return new Command("show")
    .description("show what is in a model file and what it needs")
    .argument("<model>", "GGUF file, folder with safetensors, or http(s) URL")
    .option("--tensors", "list every tensor")
    .option("--json", "print one JSON object")
    .addOption(kvTypeOption())
    .addHelpText("after", "\nExample:\n  sirocco show model.gguf")
    .action(show);
}

async function show(location: string, flags: ShowFlags): Promise<void> {
  const opened = await openModel(location);
  try {
    const facts = describe(opened, flags.kvType);
    if (flags.json === true) return await printJson({ ...facts, tensors: tensorRows(opened) });
    await printLine(printable(toText(opened, facts, flags.tensors === true)));
  } finally {
    await opened.gguf.close();
  }
}

/** What {@linkcode showCommand} tells about a model, beside its tensors. */
interface ModelFacts {
  readonly name: string | null;
  readonly architecture: string | null;
  readonly license: string | null;
  readonly quant: string;
  readonly bytes: number;
  readonly chat_template: boolean;
  /** Of an adapter: its largest rank, and how many weights it is for. */
  readonly adapter: { readonly rank: number; readonly weights: number } | null;
  /** Why this version cannot run it, else `null`. */
  readonly unsupported: string | null;
  readonly memory: MemoryNeed | null;
  readonly mix: readonly {
    readonly type: string;
    readonly tensors: number;
    readonly bytes: number;
  }[];
  readonly metadata: Readonly<Record<string, MetadataValue>>;
}

/** Bytes, with the default context. */
interface MemoryNeed {
  readonly weights: number;
  readonly kv: number;
  readonly kv_per_token: number;
  readonly kv_type: KvType;
  readonly context: number;
  /** WebAssembly memories that all of it is spread over where the CPU computes. */
  readonly memories: number;
}

function describe({ gguf }: OpenedModel, kvType: KvType | undefined): ModelFacts {
  const text = (key: string): string | null => {
    const value = gguf.metadata.get(key);
    return typeof value === "string" ? value : null;
  };
  const adapter = gguf.metadata.get("general.type") === "adapter" ? adapterFacts(gguf) : null;
  const { config, problem } = tryConfig({ gguf, files: [] });
  return {
    name: text("general.name"),
    architecture: text("general.architecture"),
    license: text("general.license"),
    quant: quantName(gguf),
    bytes: gguf.byteLength,
    chat_template: gguf.metadata.has("tokenizer.chat_template"),
    adapter,
    unsupported: problem,
    memory: config === undefined ? null : memoryNeed(gguf, config, kvType),
    mix: quantMix(gguf),
    metadata: Object.fromEntries([...gguf.metadata].map(([key, value]) => [key, summary(value)])),
  };
}

/** Throws where it is none that could be used. */
function adapterFacts(gguf: GgufModel): ModelFacts["adapter"] {
  const { sites } = readGgufLora(gguf, "the adapter");
  const ranks = [...sites.values()].map(({ down }) => down.shape[0] ?? 0);
  return { rank: Math.max(...ranks), weights: sites.size };
}

/** A file may be sound and yet not be a model that we run: it can be shown all the same. */
function tryConfig({ gguf }: OpenedModel): {
  config: ModelConfig | undefined;
  problem: string | null;
} {
  try {
    const config = readConfig(gguf);
    checkTensors(gguf, config);
    return { config, problem: null };
  } catch (error) {
    if (!RuntimeError.is(error)) throw error;
    return { config: undefined, problem: error.message };
  }
}

function memoryNeed(gguf: GgufModel, config: ModelConfig, kvType: KvType | undefined): MemoryNeed {
  const { limits, contextLength } = planRoom(config, kvType === undefined ? {} : { kvType });
  const perToken = kvBytesPerToken(config, limits.kvType);
  return {
    weights: weightBytes(gguf).total,
    kv: perToken * limits.blocks * limits.blockSize,
    kv_per_token: perToken,
    kv_type: limits.kvType,
    context: contextLength,
    memories: planMemories(workloadOf(gguf, limits), STAGING_BYTES).count,
  };
}

/** Long texts and arrays are cut: vocabularies would fill many screens. */
function summary(value: MetadataValue): MetadataValue {
  if (typeof value === "string") {
    const cut = value.slice(0, VALUE_CHARACTERS);
    return cut === value ? value : `${cut}... (${value.length} characters)`;
  }
  return typeof value === "object" ? `[${value.length} values]` : value;
}

function tensorRows({ gguf }: OpenedModel): readonly object[] {
  return [...gguf.tensors.values()].map(({ name, type, shape, byteLength }) => ({
    name,
    type,
    shape,
    bytes: byteLength,
  }));
}

function toText({ gguf }: OpenedModel, facts: ModelFacts, all: boolean): string {
  const need = facts.memory;
  const head = table([
    ["name", facts.name ?? "-"],
    ["architecture", facts.architecture ?? "-"],
    ["license", facts.license ?? "not stated"],
    ["quantisation", facts.quant],
    [
      "file",
      `${formatBytes(facts.bytes)}, ${gguf.version === 0 ? "safetensors" : `GGUF version ${gguf.version}`}`,
    ],
    ...(facts.adapter === null
      ? [["chat template", facts.chat_template ? "yes" : "no"]]
      : [["adapter", `of rank ${facts.adapter.rank}, for ${facts.adapter.weights} weights`]]),
    ["runs here", facts.unsupported === null ? "yes" : `no: ${facts.unsupported}`],
    ...(need === null
      ? []
      : [
          [
            "memory",
            `${formatBytes(need.weights)} weights + ${formatBytes(need.kv)} ${need.kv_type} cache ` +
              `(${formatBytes(need.kv_per_token)} a token, requests of up to ${need.context})` +
              (need.memories > 1 ? `, in ${need.memories} WebAssembly memories` : ""),
          ],
        ]),
  ]);
  const mix = table(
    [
      ["type", "tensors", "size"],
      ...facts.mix.map(({ type, tensors, bytes }) => [type, String(tensors), formatBytes(bytes)]),
    ],
    [1, 2],
  );
  const metadata = table(
    Object.entries(facts.metadata).map(([key, value]) => [key, JSON.stringify(value)]),
  );
  const parts = [head, mix, metadata];
  if (all) {
    parts.push(
      table(
        [...gguf.tensors.values()].map(({ name, type, shape, byteLength }) => [
          name,
          type,
          `[${shape.join(", ")}]`,
          formatBytes(byteLength),
        ]),
        [3],
      ),
    );
  }
  return parts.join("\n\n");
}
