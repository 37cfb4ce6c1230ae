import { readFile } from "node:fs/promises";
import { Option, type Command } from "commander";
import type { ServerOptions } from "../serve-model.ts";
import { decimal, integer, listOption, UsageError } from "./options.ts";

/** Flags about who answers what this server has no room for, or no model. */
export interface PoolFlags {
  readonly pool?: readonly string[];
  readonly poolKeyFile?: string;
  readonly overflowQueue?: number;
  readonly overflowWait?: number;
  readonly upstream?: string;
  readonly upstreamModel?: string;
  readonly upstreamKeyFile?: string;
  readonly upstreamRpm?: number;
}

/** A day; whoever means longer means never. */
const LONGEST_WAIT_S = 86_400;

/** Add the flags of {@linkcode PoolFlags}. */
export function addPoolOptions(command: Command): Command {
  return command
    .addOption(
      listOption(
        "--pool <server>",
        "server of ours that answers what has no room here: [name=]http://host:port; repeatable",
      ).env("SIROCCO_POOL"),
    )
    .option("--pool-key-file <file>", "what opens the pool (or SIROCCO_POOL_KEY)")
    .option("--overflow-queue <n>", "so many wait here before the pool is asked (8)", integer(1))
    .option(
      "--overflow-wait <s>",
      "a request would wait here for about so long (1)",
      decimal(0, LONGEST_WAIT_S),
    )
    .addOption(
      new Option(
        "--upstream <url>",
        "server that speaks OpenAI's API, for when there is room nowhere",
      ).env("SIROCCO_UPSTREAM"),
    )
    .option("--upstream-model <name>", "what it calls its model")
    .option("--upstream-key-file <file>", "what opens it (or SIROCCO_UPSTREAM_KEY)")
    .option("--upstream-rpm <n>", "requests that it may get in a minute", integer(1));
}

/** What the flags say. Rejects with {@linkcode UsageError} for a key's file that cannot be read. */
export async function toPoolOptions(
  flags: PoolFlags,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<Pick<ServerOptions, "pool" | "upstream" | "overflow">> {
  const { pool: nodes, upstream: url, upstreamModel, upstreamRpm } = flags;
  const { overflowQueue, overflowWait } = flags;
  const poolKey = await keyOf(flags.poolKeyFile, env["SIROCCO_POOL_KEY"]);
  const upstreamKey = await keyOf(flags.upstreamKeyFile, env["SIROCCO_UPSTREAM_KEY"]);
  return {
    ...(nodes === undefined ? {} : { pool: { nodes, ...poolKey } }),
    overflow: {
      ...(overflowQueue === undefined ? {} : { queue: overflowQueue }),
      ...(overflowWait === undefined ? {} : { waitMs: overflowWait * 1000 }),
    },
    ...(url === undefined
      ? {}
      : {
          upstream: {
            url,
            ...upstreamKey,
            ...(upstreamModel === undefined ? {} : { model: upstreamModel }),
            ...(upstreamRpm === undefined ? {} : { requestsPerMinute: upstreamRpm }),
          },
        }),
  };
}

/** A key from a file, or else from a variable: never from a flag, which everybody on the machine can read. */
async function keyOf(
  file: string | undefined,
  variable: string | undefined,
): Promise<{ readonly key?: string }> {
  if (file === undefined) return variable === undefined ? {} : { key: variable };
  try {
    return { key: (await readFile(file, "utf8")).trim() };
  } catch (cause) {
    throw new UsageError(`Cannot read the key in ${file}`, { cause });
  }
}
