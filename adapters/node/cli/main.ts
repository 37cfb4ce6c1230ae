#!/usr/bin/env node
import { Command, CommanderError } from "commander";
import { RuntimeError } from "../../../core/errors.ts";
import { packageVersion } from "../package-root.ts";
import { benchCommand } from "./bench.ts";
import { chatCommand } from "./chat.ts";
import { convertCommand, mergeCommand, quantizeCommand, splitCommand } from "./convert.ts";
import { demoCommand } from "./demo.ts";
import { doctorCommand } from "./doctor.ts";
import { UsageError } from "./options.ts";
import { keysCommand } from "./keys.ts";
import { listCommand } from "./list.ts";
import { loadCommand } from "./load.ts";
import { perplexityCommand } from "./perplexity.ts";
import { psCommand } from "./ps.ts";
import { pullCommand } from "./pull.ts";
import { rmCommand } from "./rm.ts";
import { runCommand } from "./run.ts";
import { serveCommand } from "./serve.ts";
import { showCommand } from "./show.ts";
import { leaveWhenUnread, note, printable } from "./terminal.ts";
import { tokenizeCommand } from "./tokenize.ts";
import { verifyCommand } from "./verify.ts";

const EXIT_ERROR = 1;
const EXIT_USAGE = 2;
/** What shells report for a command that SIGINT ended. */
const EXIT_INTERRUPTED = 130;

/** Run the command that the arguments name; resolves to the exit code. */
async function main(argv: readonly string[]): Promise<number> {
  const program = new Command("sirocco")
    .description(
      "Run Mistral-family language models from GGUF files: serve them, ask them, measure them.",
    )
    .version(packageVersion(), "-V, --version")
    .showHelpAfterError("Run with --help to see what there is.")
    .addHelpText("after", EXAMPLES);
  const commands = [
    serveCommand(),
    runCommand(),
    chatCommand(),
    demoCommand(),
    pullCommand(),
    listCommand(),
    showCommand(),
    rmCommand(),
    psCommand(),
    convertCommand(),
    quantizeCommand(),
    splitCommand(),
    mergeCommand(),
    tokenizeCommand(),
    benchCommand(),
    loadCommand(),
    perplexityCommand(),
    verifyCommand(),
    doctorCommand(),
    keysCommand(),
  ];
  for (const command of commands) program.addCommand(command.copyInheritedSettings(program));
  for (const command of [program, ...commands, ...commands.flatMap(({ commands: inner }) => inner)])
    command.exitOverride();

  try {
    await program.parseAsync(
      argv.map((argument) => (argument === "-np" ? "--parallel" : argument)),
    );
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
    if (RuntimeError.is(error) && error.code === "ABORTED") {
      // Ctrl-C: what was said until then stands.
      note("");
      return EXIT_INTERRUPTED;
    }
    note(`sirocco: ${describe(error)}`);
    return error instanceof UsageError ? EXIT_USAGE : EXIT_ERROR;
  }
}

/** One line for people; a stack only for what nobody foresaw. */
function describe(error: unknown): string {
  if (error instanceof UsageError || RuntimeError.is(error)) return printable(error.message);
  if (error instanceof Error && "code" in error) return printable(error.message);
  if (error instanceof Error) return printable(error.stack ?? error.message);
  return printable(String(error));
}

const EXAMPLES = `
Examples:
  sirocco run "What is a canary rollout?"          ask the demo model
  sirocco run -m model.gguf -p "Once upon a" -n 64  continue a text
  sirocco chat -m model.gguf                        talk
  sirocco serve -m model.gguf --port 8080           OpenAI-compatible HTTP server
  sirocco pull hf:owner/model-GGUF:q4_k_m           bring a model into the store
  sirocco verify answer.json                        compute an answer again
  sirocco load http://127.0.0.1:8080 --rate 4       latency of a server under load
  sirocco doctor                                    what works on this machine

Variables: SIROCCO_MODEL, SIROCCO_CTX_SIZE, SIROCCO_THREADS, SIROCCO_BACKEND, SIROCCO_PARALLEL,
SIROCCO_HOST and SIROCCO_PORT stand in for the flags of the same name; \`serve\` has more. A flag goes before
a variable, that before the file of \`serve --config\`.`;

leaveWhenUnread();
process.exitCode = await main(process.argv);
