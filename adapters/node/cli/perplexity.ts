import { readFile } from "node:fs/promises";
import { Command } from "commander";
import { loadLocal } from "../load.ts";
import { perplexity } from "../perplexity.ts";
import { takeLoras } from "../take-loras.ts";
import {
  addComputeOptions,
  addThreadsOption,
  integer,
  loraOption,
  modelOption,
  toLoadOptions,
  type ModelFlags,
} from "./options.ts";
import { note, noteThreads, printJson, printLine } from "./terminal.ts";

interface PerplexityFlags extends Omit<ModelFlags, "ctxSize"> {
  readonly file: string;
  readonly ctx: number;
  readonly chunks?: number;
  readonly json?: true;
}

/** Longer chunks give lower numbers; 512 is what published llama.cpp figures use. */
const DEFAULT_CHUNK = 512;

/** `sirocco perplexity`: how well a model predicts a text. */
export function perplexityCommand(): Command {
  const command = new Command("perplexity")
    .description("measure how well a model predicts a text, as llama-perplexity does")
    .addOption(modelOption())
    .addOption(loraOption())
    .requiredOption("-f, --file <txt>", "text to judge, UTF-8")
    .option("-c, --ctx <n>", "tokens of one chunk", integer(4), DEFAULT_CHUNK)
    .option("--chunks <n>", "judge only this many chunks", integer(1))
    .option("--json", 'print {"tokens", "nll", "ppl"}');
  return addComputeOptions(addThreadsOption(command))
    .addHelpText(
      "after",
      "\nExample:\n  sirocco perplexity -m model.gguf -f wiki.test.raw --ctx 512 --json",
    )
    .action(measure);
}

async function measure(flags: PerplexityFlags): Promise<void> {
  const text = await readFile(flags.file, "utf8");
  const model = takeLoras(
    await loadLocal({
      ...toLoadOptions(flags),
      contextSize: flags.ctx,
      parallel: 1,
      inProcess: true,
    }),
  );
  noteThreads(flags.threads, model.engine.info.threads);
  try {
    const { tokenizer } = model;
    const bos = tokenizer.addBos ? tokenizer.bos : undefined;
    const tokens = tokenizer.encode(text);
    if (bos !== undefined) tokens.unshift(bos);
    const result = await perplexity(model.engine, {
      tokens,
      chunkLength: flags.ctx,
      bos,
      ...(flags.chunks === undefined ? {} : { chunks: flags.chunks }),
      onProgress: (done, total, soFar) => {
        if (flags.json !== true) note(`[${done}/${total}] ${soFar.ppl.toFixed(4)}`);
      },
    });
    if (flags.json === true) await printJson(result);
    else await printLine(`PPL = ${result.ppl.toFixed(4)} over ${result.tokens} tokens`);
  } finally {
    await model.close();
  }
}
