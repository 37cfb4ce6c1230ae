import { Command, Option } from "commander";
import { KEY_SCOPES, type KeyScope } from "../../../core/http/edge/access.ts";
import { createKey, hashKey } from "../../../core/http/edge/key-hash.ts";
import { integer, UsageError } from "./options.ts";
import { note, printJson, printLine } from "./terminal.ts";

interface CreateFlags {
  readonly id: string;
  readonly scope: readonly KeyScope[];
  readonly requestsPerMinute?: number;
  readonly tokensPerMinute?: number;
}

/** `sirocco keys`: API keys for the configuration file. */
export function keysCommand(): Command {
  const command = new Command("keys").description("make API keys for the configuration file");
  command
    .command("create")
    .description("print a fresh key, and what to put into `keys` of the configuration")
    .requiredOption("--id <name>", "its name in logs")
    .addOption(
      new Option("--scope <name...>", "what it may do").choices(KEY_SCOPES).default(["inference"]),
    )
    .option("--requests-per-minute <n>", "limit of requests", integer(1))
    .option("--tokens-per-minute <n>", "limit of tokens, prompts and answers together", integer(1))
    .action(create);
  command
    .command("hash")
    .description("read a key from standard input and print its hash")
    .action(hash);
  return command;
}

async function create(flags: CreateFlags): Promise<void> {
  const key = createKey();
  const { id, scope: scopes, requestsPerMinute: requests, tokensPerMinute: tokens } = flags;
  note(
    "sirocco: hand out the key, it is not kept; the entry goes into `keys` of the configuration",
  );
  await printJson({
    key,
    entry: {
      id,
      hash: await hashKey(key),
      scopes,
      ...(requests === undefined ? {} : { requests_per_minute: requests }),
      ...(tokens === undefined ? {} : { tokens_per_minute: tokens }),
    },
  });
}

/** From standard input: arguments show in the list of processes. */
async function hash(): Promise<void> {
  let text = "";
  for await (const chunk of process.stdin.setEncoding("utf8")) text += String(chunk);
  const key = text.trim();
  if (key === "" || /\s/.test(key)) throw new UsageError("Give one key on standard input");
  await printLine(await hashKey(key));
}
