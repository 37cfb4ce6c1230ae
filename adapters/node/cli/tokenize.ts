import { Command } from "commander";
import { openHeader } from "../header.ts";
import { modelOption } from "./options.ts";
import { printable, printJson, printLine, table } from "./terminal.ts";

interface TokenizeFlags {
  readonly model: string;
  readonly text: string;
  readonly special?: true;
  readonly bos?: true;
  readonly json?: true;
}

/** `sirocco tokenize`: text to token ids. */
export function tokenizeCommand(): Command {
  return new Command("tokenize")
    .description("show the tokens of a text")
    .addOption(modelOption())
    .requiredOption("--text <text>", "text to split")
    .option("--special", "let the spelling of a control token become that token")
    .option("--bos", "begin with the model's begin-of-sequence token, where it wants one")
    .option("--json", "print the ids as a JSON array")
    .addHelpText(
      "after",
      '\nExample:\n  sirocco tokenize -m model.gguf --text "Hello world" --json',
    )
    .action(tokenize);
}

async function tokenize(flags: TokenizeFlags): Promise<void> {
  const header = await openHeader(flags.model);
  await header.close();
  const { tokenizer } = header;
  const tokens = tokenizer.encode(flags.text, { special: flags.special === true });
  if (flags.bos === true && tokenizer.addBos && tokenizer.bos !== undefined) {
    tokens.unshift(tokenizer.bos);
  }
  if (flags.json === true) return printJson(tokens);
  const rows = tokens.map((token) => [
    String(token),
    tokenizer.controlText(token) ?? JSON.stringify(pieceText(tokenizer.bytes(token))),
  ]);
  if (rows.length > 0) await printLine(printable(table(rows, [0])));
}

/** A token's bytes as text; bytes that are only a part of a character show as U+FFFD. */
function pieceText(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
