import { Command } from "commander";
import { storePlace } from "../store/place.ts";
import type { PullProgress } from "../store/pull.ts";
import { abortOnInterrupt } from "./interrupt.ts";
import { listOption } from "./options.ts";
import { createProgress, formatBytes, note, printJson, printLine, printable } from "./terminal.ts";

interface PullFlags {
  readonly name?: string;
  readonly sha256?: string;
  readonly modelHost?: readonly string[];
  readonly json?: true;
}

/** `sirocco pull`: bring a model into the store. */
export function pullCommand(): Command {
  return new Command("pull")
    .description("bring a model into the store, by whose name --model knows it then")
    .argument("<source>", "hf:owner/repository[:quantisation], http(s) URL or path of a GGUF file")
    .option("--name <name>", "what to call it")
    .option("--sha256 <hex>", "digest that the file must have")
    .addOption(
      listOption("--model-host <name>", "host that may have private addresses; repeatable").env(
        "SIROCCO_MODEL_HOSTS",
      ),
    )
    .option("--json", "print the model as one JSON object")
    .addHelpText("after", HELP)
    .action(run);
}

const HELP = `
What broke off goes on where it was. HF_TOKEN is sent to the hub, and to no other host; HF_ENDPOINT names
another hub, SIROCCO_STORE another store.

Examples:
  sirocco pull hf:owner/model-GGUF:q4_k_m
  sirocco pull hf:owner/model                   safetensors, where there are no GGUF files
  sirocco pull https://example.org/model.gguf --name mine
  sirocco run -m mine "What is a canary rollout?"`;

async function run(source: string, flags: PullFlags): Promise<void> {
  // Other commands do without the HTTP client.
  const [{ hubOf }, { pull }] = await Promise.all([
    import("../store/hub.ts"),
    import("../store/pull.ts"),
  ]);
  const interrupt = abortOnInterrupt();
  const shown = showProgress();
  try {
    const manifest = await pull(source, {
      place: storePlace(),
      hub: hubOf(),
      allowHosts: flags.modelHost ?? [],
      ...(flags.name === undefined ? {} : { name: flags.name }),
      ...(flags.sha256 === undefined ? {} : { sha256: flags.sha256.toLowerCase() }),
      signal: interrupt.signal,
      onPlan({ name, files, license }) {
        const size = files.reduce((sum, file) => sum + (file.size ?? 0), 0);
        note(
          printable(
            `sirocco: ${name}: ${files.length} file${files.length === 1 ? "" : "s"}` +
              `${size === 0 ? "" : `, ${formatBytes(size)}`}, license ${license ?? "not stated"}`,
          ),
        );
      },
      onProgress: shown.update,
    });
    shown.end();
    if (flags.json === true) return await printJson(manifest);
    const size = manifest.files.reduce((sum, file) => sum + file.size, 0);
    await printLine(
      printable(
        `${manifest.name}  ${manifest.quant}  ${formatBytes(size)}  license ${manifest.license ?? "not stated"}`,
      ),
    );
  } finally {
    shown.end();
    interrupt.release();
  }
}

/** A bar for each file in turn, with the rate and the time that is left. */
function showProgress(): {
  readonly update: (progress: PullProgress) => void;
  readonly end: () => void;
} {
  let current = "";
  let bar = createProgress("");
  return {
    update({ file, doing, done, total, had }) {
      const key = `${doing} ${file}`;
      if (key !== current) {
        bar.end();
        current = key;
        const started = performance.now();
        bar = createProgress(printable(key), (now, all) => describe(now, all, had, started));
      }
      bar.update(done, total);
    },
    end: () => bar.end(),
  };
}

function describe(done: number, total: number, had: number, started: number): string {
  const rate = Math.max(1, done - had) / ((performance.now() - started) / 1000);
  const left = Math.ceil((total - done) / rate);
  return `${formatBytes(done)} of ${formatBytes(total)}, ${formatBytes(Math.round(rate))}/s, ${duration(left)} left`;
}

function duration(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes} min ${seconds % 60} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
