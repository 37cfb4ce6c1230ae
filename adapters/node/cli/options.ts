import { InvalidArgumentError, Option, type Command } from "commander";
import type { SamplingParams } from "../../../core/sampler/params.ts";
import { TARGET_TYPES } from "../../../core/quant/quantize.ts";
import type { WeightType } from "../../../core/tensor/dtype.ts";
import { KV_TYPES, type KvType } from "../../../core/tensor/kv-type.ts";
import { BACKEND_PREFERENCES, type BackendPreference } from "../backend.ts";
import { physicalCores } from "../cores.ts";
import type { LoadOptions } from "../load.ts";
import { parseLora } from "../lora-source.ts";
import { parseSize } from "../size.ts";
import { demoModelPath } from "../package-root.ts";

/** Flags that say which model to load and how. */
export interface ModelFlags {
  readonly model: string;
  readonly modelHost?: readonly string[];
  readonly draft?: string;
  readonly lora?: readonly string[];
  readonly ctxSize?: number;
  readonly threads: number;
  readonly backend: BackendPreference;
  readonly batchSize?: number;
  readonly parallel?: number;
  readonly kvType?: KvType;
  /** Bytes, or a size as the configuration has it. */
  readonly gpuMemory?: number | string;
  readonly quantize?: WeightType;
}

/** Flags that say how to choose tokens; absent ones take the defaults of the command. */
export interface SamplingFlags {
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly typical?: number;
  readonly repeatPenalty?: number;
  readonly repeatLastN?: number;
  readonly presencePenalty?: number;
  readonly frequencyPenalty?: number;
  readonly seed?: number;
}

/** A usage error: what was given and what would do. Ends the command with exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** `-m/--model`, with the demo model as its default. */
export function modelOption(): Option {
  return new Option("-m, --model <file>", "GGUF file, folder with safetensors, or http(s) URL")
    .env("SIROCCO_MODEL")
    .default(demoModelPath(), "the demo model");
}

/** `--draft`. */
export function draftOption(): Option {
  return new Option(
    "--draft <model>",
    "smaller model of the same vocabulary that guesses next tokens where that pays",
  ).env("SIROCCO_DRAFT");
}

/** `--lora`. */
export function loraOption(): Option {
  return listOption(
    "--lora <adapter>",
    "adapter of low rank, [name=]FILE[:scale]: GGUF or PEFT's folder; repeatable",
  ).env("SIROCCO_LORA");
}

/** The adapters that flags name. */
export function toLora(texts: readonly string[] | undefined): Pick<LoadOptions, "lora"> {
  return texts === undefined || texts.length === 0 ? {} : { lora: texts.map(parseLora) };
}

/** Add all flags of {@linkcode ModelFlags} but `--parallel`. */
export function addModelOptions(command: Command): Command {
  command
    .addOption(modelOption())
    .addOption(
      listOption(
        "--model-host <name>",
        "host of a model URL that may have private addresses; repeatable",
      ).env("SIROCCO_MODEL_HOSTS"),
    )
    .addOption(draftOption())
    .addOption(loraOption())
    .addOption(
      new Option("-c, --ctx-size <n>", "tokens of prompt and answer together")
        .env("SIROCCO_CTX_SIZE")
        .argParser(integer(16))
        .default(undefined, "the model's, at most 4096"),
    );
  return addComputeOptions(addThreadsOption(command));
}

/** Add `--threads`, for commands that take one number of them. */
export function addThreadsOption(command: Command): Command {
  return command.addOption(
    new Option("-t, --threads <n>", "threads that compute")
      .env("SIROCCO_THREADS")
      .argParser(integer(1))
      .default(physicalCores(), "the physical cores"),
  );
}

/** Add the flags that say how to compute, beside `--threads`. */
export function addComputeOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--backend <name>", "what computes")
        .env("SIROCCO_BACKEND")
        .choices(BACKEND_PREFERENCES)
        .default("auto"),
    )
    .addOption(
      new Option(
        "-b, --batch-size <n>",
        "rows of one step, i.e. how much of a prompt at once",
      ).argParser(integer(1)),
    )
    .addOption(kvTypeOption())
    .addOption(
      new Option("--gpu-memory <size>", "memory of the GPU that may be taken: 512M, 4G")
        .env("SIROCCO_GPU_MEMORY")
        .argParser(size),
    )
    .addOption(quantizeOption());
}

/** `--quantize`. */
export function quantizeOption(): Option {
  return new Option(
    "--quantize <type>",
    "type that weights are given while they load (default: as in the file)",
  )
    .env("SIROCCO_QUANTIZE")
    .choices(TARGET_TYPES);
}

/** `--kv-type`. */
export function kvTypeOption(): Option {
  return new Option(
    "--kv-type <type>",
    "how keys and values are cached; q8_0 takes a quarter of f32",
  )
    .env("SIROCCO_KV_TYPE")
    .choices(KV_TYPES)
    .default(undefined, "f32");
}

/** Add `-np/--parallel`, for commands that serve several requests. */
export function addParallelOption(command: Command): Command {
  return command.addOption(
    // Commander knows short flags of one letter only; `-np` is rewritten before it parses.
    new Option("--parallel <n>", "requests that run at the same time (-np)")
      .env("SIROCCO_PARALLEL")
      .argParser(integer(1)),
  );
}

/** Add the flags of {@linkcode SamplingFlags}, named as llama.cpp names them. */
export function addSamplingOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--temp, --temperature <t>", "randomness; 0 takes the likeliest token").argParser(
        decimal(0, 100),
      ),
    )
    .addOption(
      new Option("--top-k <k>", "keep the k likeliest tokens; 0 = all").argParser(integer(0)),
    )
    .addOption(
      new Option(
        "--top-p <p>",
        "keep the likeliest tokens up to this probability; 1 = all",
      ).argParser(decimal(0, 1)),
    )
    .addOption(
      new Option("--min-p <p>", "keep tokens this likely, relative to the best; 0 = all").argParser(
        decimal(0, 1),
      ),
    )
    .addOption(
      new Option("--typical <p>", "locally typical sampling; 1 = off").argParser(decimal(0, 1)),
    )
    .addOption(
      new Option("--repeat-penalty <f>", "divide the logits of recent tokens; 1 = off").argParser(
        decimal(0.01, 100),
      ),
    )
    .addOption(
      new Option(
        "--repeat-last-n <n>",
        "tokens that count as recent; 0 = none, -1 = all",
      ).argParser(integer(-1)),
    )
    .addOption(
      new Option("--presence-penalty <f>", "subtract once for a token that occurred").argParser(
        decimal(-100, 100),
      ),
    )
    .addOption(
      new Option("--frequency-penalty <f>", "subtract for each occurrence").argParser(
        decimal(-100, 100),
      ),
    )
    .addOption(new Option("-s, --seed <n>", "seed of the random generator").argParser(seed));
}

/** How to load what the flags name. */
export function toLoadOptions(flags: ModelFlags): LoadOptions {
  return {
    model: flags.model,
    threads: flags.threads,
    backend: flags.backend,
    ...(flags.draft === undefined ? {} : { draft: flags.draft }),
    ...toLora(flags.lora),
    ...(flags.modelHost === undefined ? {} : { modelHosts: flags.modelHost }),
    ...(flags.ctxSize === undefined ? {} : { contextSize: flags.ctxSize }),
    ...(flags.batchSize === undefined ? {} : { batchSize: flags.batchSize }),
    ...(flags.parallel === undefined ? {} : { parallel: flags.parallel }),
    ...(flags.kvType === undefined ? {} : { kvType: flags.kvType }),
    ...(flags.gpuMemory === undefined ? {} : { gpuBytes: size(String(flags.gpuMemory)) }),
    ...(flags.quantize === undefined ? {} : { quantize: flags.quantize }),
  };
}

/**
 * Sampling parameters. The defaults are llama.cpp's but for the temperature: 0 unless a flag asks for
 * chance, so that a command repeats its answer.
 */
export function toSampling(flags: SamplingFlags): SamplingParams {
  return {
    temperature: flags.temperature ?? 0,
    topK: flags.topK ?? 40,
    topP: flags.topP ?? 0.95,
    minP: flags.minP ?? 0.05,
    typicalP: flags.typical ?? 1,
    repeatPenalty: flags.repeatPenalty ?? 1,
    repeatLastN: flags.repeatLastN ?? 64,
    presencePenalty: flags.presencePenalty ?? 0,
    frequencyPenalty: flags.frequencyPenalty ?? 0,
    logitBias: [],
    seed: flags.seed ?? Math.floor(Math.random() * 2 ** 32),
  };
}

/** An option that may be given several times, or once with commas. */
export function listOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser((text: string, before: string[] | undefined) => [
    ...(before ?? []),
    ...text.split(",").flatMap((part) => part.trim() || []),
  ]);
}

/** Parser of a whole number of at least `least`. */
export function integer(
  least: number,
  most: number = Number.MAX_SAFE_INTEGER,
): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== "" && Number.isSafeInteger(value) && value >= least && value <= most)
      return value;
    const upTo = most === Number.MAX_SAFE_INTEGER ? "" : ` and at most ${most}`;
    throw new InvalidArgumentError(`Give a whole number of at least ${least}${upTo}.`);
  };
}

/** Bytes of a size: `512M`. */
function size(text: string): number {
  const bytes = parseSize(text);
  if (bytes !== undefined) return bytes;
  throw new InvalidArgumentError("Give a size: 512M, 4G, or a number of bytes.");
}

/** Parser of whole numbers of at least `least`, separated by commas. */
export function integerList(least: number): (text: string) => number[] {
  return (text) => text.split(",").map(integer(least));
}

/** Parser of a number from `least` to `most`. */
export function decimal(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== "" && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`Give a number from ${least} to ${most}.`);
  };
}

/** llama.cpp's habit: -1 asks for a random seed. */
function seed(text: string): number {
  const value = integer(-1, 2 ** 32 - 1)(text);
  return value === -1 ? Math.floor(Math.random() * 2 ** 32) : value;
}
