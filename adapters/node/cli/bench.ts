import { Command } from "commander";
import { bench, type BenchRow } from "../bench.ts";
import { physicalCores } from "../cores.ts";
import {
  addComputeOptions,
  draftOption,
  integer,
  integerList,
  loraOption,
  modelOption,
  toLoadOptions,
  type ModelFlags,
} from "./options.ts";
import { profileTable } from "./bench-profile.ts";
import { note, noteThreads, printJson, printLine, table } from "./terminal.ts";

interface BenchFlags extends Omit<ModelFlags, "threads" | "ctxSize" | "parallel"> {
  readonly prompt: readonly number[];
  readonly predict: readonly number[];
  readonly threads: readonly number[];
  readonly parallel: readonly number[];
  readonly repetitions: number;
  readonly profile?: true;
  readonly json?: true;
}

/** `sirocco bench`: tokens per second of prompt processing and generation. */
export function benchCommand(): Command {
  const command = new Command("bench")
    .description("measure prompt processing and generation, as llama-bench does")
    .addOption(modelOption())
    .addOption(draftOption())
    .addOption(loraOption())
    .option("-p, --prompt <n,...>", "prompt lengths; 0 = none", integerList(0), [128, 512])
    .option("-n, --predict <n,...>", "tokens to generate; 0 = none", integerList(0), [64])
    .option(
      "--parallel <n,...>",
      "sequences that generate at the same time (-np)",
      integerList(1),
      [1],
    )
    .option("-r, --repetitions <n>", "measure each this often", integer(1), 5)
    .option("--profile", "what each kernel of a GPU does and takes, with --backend webgpu")
    .option("--json", "print the rows as a JSON array");
  return addComputeOptions(command)
    .option("-t, --threads <n,...>", "threads that compute", integerList(1), [physicalCores()])
    .addHelpText(
      "after",
      "\nExample:\n  sirocco bench -m model.gguf -p 128,512 -n 64 -t 1 -r 5 --json\n  sirocco bench -m model.gguf -p 0 -n 64 -np 1,8",
    )
    .action(run);
}

async function run(flags: BenchFlags): Promise<void> {
  const { parallel, ...modelFlags } = flags;
  const rows: BenchRow[] = [];
  for (const threads of flags.threads) {
    const measured = await bench({
      load: toLoadOptions({ ...modelFlags, threads }),
      prompts: flags.prompt.filter((n) => n > 0),
      predictions: flags.predict.filter((n) => n > 0),
      parallel,
      repetitions: flags.repetitions,
      profile: flags.profile === true,
      onStart: (what) => {
        if (process.stderr.isTTY) note(`sirocco: ${what} ...`);
      },
    });
    noteThreads(threads, measured[0]?.threads ?? threads);
    rows.push(...measured);
  }
  if (flags.json === true) return printJson(rows);
  await printLine(
    table(
      [
        ["model", "quant", "backend", "threads", "test", "tokens/s", "", "GB/s"],
        ...rows.map((row) => [
          row.model,
          row.quant,
          row.backend,
          String(row.threads),
          row.test,
          row.avg_ts.toFixed(2),
          `± ${row.stddev_ts.toFixed(2)}`,
          row.gb_s === null ? "" : row.gb_s.toFixed(2),
        ]),
      ],
      [3, 5, 6, 7],
    ),
  );
  for (const { test, profile } of rows) {
    if (profile !== undefined) await printLine(`\n${test}\n${profileTable(profile)}`);
  }
}
