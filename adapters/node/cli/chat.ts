import { createInterface } from "node:readline/promises";
import { Command } from "commander";
import type { ChatMessage, ChatTemplate } from "../../../core/chat/template.ts";
import { RuntimeError } from "../../../core/errors.ts";
import type { SamplingParams } from "../../../core/sampler/params.ts";
import { loadLocal, type LoadedModel } from "../load.ts";
import { takeLoras } from "../take-loras.ts";
import { ask, speedLine } from "./answering.ts";
import {
  addModelOptions,
  addSamplingOptions,
  integer,
  toLoadOptions,
  toSampling,
  type ModelFlags,
  type SamplingFlags,
} from "./options.ts";
import { createProgress, note, noteThreads, print, printable } from "./terminal.ts";

interface ChatFlags extends ModelFlags, SamplingFlags {
  readonly system?: string;
  readonly predict?: number;
}

/** `sirocco chat`: a conversation in the terminal. */
export function chatCommand(): Command {
  const command = new Command("chat")
    .description("talk to a model")
    .option("--system <text>", "system message before the conversation")
    .option("-n, --predict <n>", "at most this many tokens an answer", integer(1));
  addModelOptions(command);
  return addSamplingOptions(command)
    .addHelpText(
      "after",
      `
In the conversation: /reset begins anew, /exit or Ctrl-D leaves, Ctrl-C stops an answer.

Examples:
  sirocco chat
  sirocco chat -m model.gguf --system "Answer in one sentence." --temp 0.7
  echo "What is a KV cache?" | sirocco chat`,
    )
    .action(chat);
}

async function chat(flags: ChatFlags): Promise<void> {
  const progress = createProgress("loading");
  const loaded = await loadLocal({
    ...toLoadOptions(flags),
    parallel: 1,
    onProgress: (done, total) => progress.update(done, total),
  }).finally(() => progress.end());
  const model = takeLoras(loaded);
  noteThreads(flags.threads, model.engine.info.threads);
  try {
    if (model.template === undefined) {
      throw new RuntimeError(
        "UNSUPPORTED_PARAMETER",
        "Cannot chat: this model has no chat template; use sirocco run --prompt to continue a text",
      );
    }
    await converse(model, model.template, flags);
  } finally {
    await model.close();
  }
}

async function converse(
  model: LoadedModel,
  template: ChatTemplate,
  flags: ChatFlags,
): Promise<void> {
  const talking = process.stdin.isTTY;
  const opening: readonly ChatMessage[] =
    flags.system === undefined ? [] : [{ role: "system", content: flags.system }];
  let history = opening;
  let answering: AbortController | undefined;

  const lines = createInterface({
    input: process.stdin,
    // Without a terminal there is nobody to show a prompt to.
    ...(talking ? { output: process.stderr, prompt: "> " } : {}),
    terminal: talking,
  });
  // Ctrl-C reaches readline on a terminal and the process elsewhere.
  const interrupt = (): void => {
    if (answering === undefined) lines.close();
    else answering.abort();
  };
  lines.on("SIGINT", interrupt);
  process.on("SIGINT", interrupt);
  let open = true;
  lines.once("close", () => {
    open = false;
  });
  // Piped input ends, and with it the interface, long before the last line has been answered.
  const prompt = (): void => {
    if (talking && open) lines.prompt();
  };
  try {
    if (talking)
      note(`${model.config.name} on ${model.engine.info.backend}; /exit or Ctrl-D leaves`);
    prompt();
    for await (const line of lines) {
      const text = line.trim();
      if (text === "/exit") break;
      if (text === "/reset") {
        history = opening;
        note("The conversation begins anew.");
      } else if (text !== "") {
        answering = new AbortController();
        const asked: readonly ChatMessage[] = [...history, { role: "user", content: text }];
        const reply = await turn(model, template, asked, flags, answering.signal);
        answering = undefined;
        if (reply !== undefined) history = [...asked, { role: "assistant", content: reply }];
      }
      prompt();
    }
  } finally {
    process.removeListener("SIGINT", interrupt);
    lines.close();
  }
}

/** One answer, written as it comes; `undefined` where there was none to remember. */
async function turn(
  model: LoadedModel,
  template: ChatTemplate,
  messages: readonly ChatMessage[],
  flags: ChatFlags,
  signal: AbortSignal,
): Promise<string | undefined> {
  const sampling: SamplingParams = toSampling(flags);
  let text = "";
  try {
    const answer = await ask(
      model,
      {
        prompt: template.tokens(messages, { addGenerationPrompt: true }),
        sampling,
        signal,
        ...(flags.predict === undefined ? {} : { maxTokens: flags.predict }),
      },
      (piece) => {
        text += piece;
        return print(printable(piece));
      },
    );
    await print("\n");
    if (process.stdin.isTTY) note(`[${speedLine(model, answer)}]`);
    return text;
  } catch (error) {
    if (!RuntimeError.is(error)) throw error;
    await print("\n");
    // What was said until Ctrl-C stays part of the conversation.
    if (error.code === "ABORTED") return text;
    note(
      error.code === "CONTEXT_LENGTH_EXCEEDED"
        ? "The conversation has filled the context: /reset begins anew."
        : printable(error.message),
    );
    return undefined;
  }
}
