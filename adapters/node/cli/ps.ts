import { Command, Option } from "commander";
import { RuntimeError } from "../../../core/errors.ts";
import { formatBytes, printable, printJson, printLine, table } from "./terminal.ts";

interface PsFlags {
  readonly url: string;
  readonly key?: string;
  readonly json?: true;
}

/** A server that is there says so in a moment. */
const LOOK_MS = 10_000;

/** What is shown of a model; all else is left as it comes. */
interface RunningModel {
  readonly name?: string;
  readonly size?: number;
  readonly context_length?: number;
  readonly details?: { readonly quantization_level?: string } | null;
}

/** `sirocco ps`: the models that a server has in memory. */
export function psCommand(): Command {
  return new Command("ps")
    .description("list the models that a server has in memory")
    .option("--url <url>", "the server", "http://127.0.0.1:8080")
    .addOption(new Option("--key <key>", "API key").env("SIROCCO_KEY"))
    .option("--json", "print what the server answers")
    .action(run);
}

async function run({ url, key, json }: PsFlags): Promise<void> {
  const answer = await ask(`${url.replace(/\/+$/, "")}/api/ps`, key);
  if (json === true) return printJson(answer);
  const { models } = answer as { readonly models?: unknown };
  if (!Array.isArray(models)) {
    throw new RuntimeError("NOT_READY", `Cannot read what ${url} runs: it does not list models`);
  }
  const rows = (models as readonly RunningModel[]).map((model) => [
    model.name ?? "-",
    model.details?.quantization_level ?? "-",
    formatBytes(Number(model.size)),
    `${model.context_length ?? "-"}`,
  ]);
  await printLine(printable(table([["name", "quantisation", "size", "context"], ...rows], [2, 3])));
}

async function ask(url: string, key: string | undefined): Promise<object> {
  let status: number;
  try {
    const answer = await fetch(url, {
      headers: key === undefined ? {} : { authorization: `Bearer ${key}` },
      signal: AbortSignal.timeout(LOOK_MS),
    });
    if (answer.ok) return Object(await answer.json()) as object;
    ({ status } = answer);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new RuntimeError("NOT_READY", `Cannot reach ${url}: ${why}`, { cause });
  }
  throw new RuntimeError("NOT_READY", `Cannot read ${url}: it answered ${status}`);
}
