import { basename, dirname, join } from "node:path";
import { Command, Option } from "commander";
import type { GgufModel } from "../../../core/gguf/gguf.ts";
import { planSplit, withoutSplit } from "../../../core/gguf/split-plan.ts";
import { TARGET_TYPES } from "../../../core/quant/quantize.ts";
import { requantize } from "../../../core/quant/requantized-model.ts";
import type { WeightType } from "../../../core/tensor/dtype.ts";
import { openModel, remoteOptions } from "../header.ts";
import { quantName } from "../quant-mix.ts";
import { writeModel, type WriteModelOptions } from "../write-model.ts";
import { abortOnInterrupt } from "./interrupt.ts";
import { integer, UsageError } from "./options.ts";
import { createProgress, formatBytes, printable, printJson, printLine } from "./terminal.ts";

interface WriteFlags {
  readonly force?: true;
  readonly json?: true;
}

interface ConvertFlags extends WriteFlags {
  readonly quantize?: WeightType;
  readonly pure?: true;
}

interface QuantizeFlags extends WriteFlags {
  readonly type: WeightType;
  readonly pure?: true;
}

interface SplitFlags extends WriteFlags {
  readonly maxSize?: number;
  readonly maxTensors?: number;
}

/** What a command has written. */
interface Written {
  readonly file: string;
  readonly bytes: number;
}

/** `sirocco convert`: any model that can be loaded as one GGUF file. */
export function convertCommand(): Command {
  const command = new Command("convert")
    .description("write a model of any form as one GGUF file")
    .argument("<in>", "GGUF file, folder with safetensors, name in the store, or http(s) URL")
    .argument("<out>", "GGUF file to write")
    .addOption(new Option("--quantize <type>", "type to give to weights").choices(TARGET_TYPES));
  return addWriteOptions(addPureOption(command))
    .addHelpText("after", "\nExample:\n  sirocco convert ./Mistral-7B model.gguf --quantize q4_k")
    .action((from: string, to: string, flags: ConvertFlags) =>
      convert(from, to, flags.quantize, flags.pure === true, flags),
    );
}

/** `sirocco quantize`: the same model with smaller weights. */
export function quantizeCommand(): Command {
  const command = new Command("quantize")
    .description("write a model with its weights in another type")
    .argument("<in>", "as for convert")
    .argument("<out>", "GGUF file to write")
    .addOption(
      new Option("--type <type>", "type to give to weights")
        .choices(TARGET_TYPES)
        .makeOptionMandatory(),
    );
  return addWriteOptions(addPureOption(command))
    .addHelpText(
      "after",
      "\nExample:\n  sirocco quantize model.f16.gguf model.q5_0.gguf --type q5_0",
    )
    .action((from: string, to: string, flags: QuantizeFlags) =>
      convert(from, to, flags.type, flags.pure === true, flags),
    );
}

/** `sirocco merge`: the files of a split model as one. */
export function mergeCommand(): Command {
  const command = new Command("merge")
    .description("write the files of a split GGUF model as one")
    .argument("<first>", "its first file, ...-00001-of-0000N.gguf")
    .argument("<out>", "GGUF file to write");
  return addWriteOptions(command).action((from: string, to: string, flags: WriteFlags) =>
    convert(from, to, undefined, false, flags),
  );
}

/** `sirocco split`: a model as several files. */
export function splitCommand(): Command {
  const command = new Command("split")
    .description("write a model as several GGUF files, as llama.cpp's gguf-split does")
    .argument("<in>", "as for convert")
    .argument("<out>", "what names begin with: out-00001-of-0000N.gguf")
    .option("--max-size <n>", "bytes of tensors in a file, e.g. 500M or 2G", size)
    .option("--max-tensors <n>", "tensors in a file", integer(1));
  return addWriteOptions(command)
    .addHelpText("after", "\nExample:\n  sirocco split model.gguf model --max-size 2G")
    .action(split);
}

function addPureOption(command: Command): Command {
  return command.option("--pure", "all matrices alike: else the output matrix has 6 bits at least");
}

function addWriteOptions(command: Command): Command {
  return command
    .option("--force", "put it in the place of a file that is there")
    .option("--json", "print what was written as one JSON object");
}

async function convert(
  from: string,
  to: string,
  type: WeightType | undefined,
  pure: boolean,
  flags: WriteFlags,
): Promise<void> {
  const { gguf } = await openModel(from, remoteOptions(from));
  try {
    const model = type === undefined ? gguf : requantize(gguf, type, pure);
    const bytes = await withProgress(model, (options) =>
      writeModel(model, to, {
        ...options,
        metadata: withoutSplit(model.metadata),
        ...toForce(flags),
      }),
    );
    await tell(model, [{ file: to, bytes }], flags);
  } finally {
    await gguf.close();
  }
}

async function split(from: string, to: string, flags: SplitFlags): Promise<void> {
  const { maxSize, maxTensors } = flags;
  if (maxSize === undefined && maxTensors === undefined) {
    throw new UsageError("give --max-size or --max-tensors");
  }
  const { gguf } = await openModel(from, remoteOptions(from));
  try {
    const parts = planSplit(gguf, basename(to), {
      ...(maxSize === undefined ? {} : { bytes: maxSize }),
      ...(maxTensors === undefined ? {} : { tensors: maxTensors }),
    });
    const written = await withProgress(gguf, async (options) => {
      const files: Written[] = [];
      for (const { name, metadata, types, tensors } of parts) {
        const file = join(dirname(to), name);
        const what = { ...options, metadata, types, tensors, ...toForce(flags) };
        files.push({ file, bytes: await writeModel(gguf, file, what) });
      }
      return files;
    });
    await tell(gguf, written, flags);
  } finally {
    await gguf.close();
  }
}

function toForce({ force }: WriteFlags): { readonly force?: boolean } {
  return force === undefined ? {} : { force };
}

async function withProgress<T>(
  model: GgufModel,
  write: (options: Pick<WriteModelOptions, "onBytes" | "signal">) => Promise<T>,
): Promise<T> {
  const progress = createProgress("writing");
  const interrupt = abortOnInterrupt();
  let total = 0;
  for (const { byteLength } of model.tensors.values()) total += byteLength;
  let done = 0;
  try {
    return await write({
      signal: interrupt.signal,
      onBytes(count) {
        done += count;
        progress.update(done, total);
      },
    });
  } finally {
    progress.end();
    interrupt.release();
  }
}

async function tell(
  model: GgufModel,
  files: readonly Written[],
  { json }: WriteFlags,
): Promise<void> {
  const quant = quantName(model);
  if (json === true) return printJson({ files, quant });
  for (const { file, bytes } of files) {
    await printLine(printable(`${file}  ${quant}  ${formatBytes(bytes)}`));
  }
}

/** Bytes with the units that gguf-split takes, which are powers of 1000. */
function size(text: string): number {
  const [, digits, unit = ""] = /^(\d+)([MG]?)$/i.exec(text.trim()) ?? [];
  const scale = { "": 1, M: 1e6, G: 1e9 }[unit.toUpperCase()];
  const bytes = Number(digits) * (scale ?? NaN);
  if (Number.isSafeInteger(bytes) && bytes > 0) return bytes;
  throw new UsageError(`Cannot use --max-size ${text}: expected a number with M or G`);
}
