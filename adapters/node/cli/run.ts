import { Command } from "commander";
import { RuntimeError } from "../../../core/errors.ts";
import { systemFingerprint } from "../../../core/receipt/fingerprint.ts";
import { loadLocal, type LoadedModel } from "../load.ts";
import { takeLoras } from "../take-loras.ts";
import { ask, rawPrompt, speedLine, tokensPerSecond, type Answer } from "./answering.ts";
import { abortOnInterrupt } from "./interrupt.ts";
import {
  addModelOptions,
  addSamplingOptions,
  integer,
  toLoadOptions,
  toSampling,
  UsageError,
  type ModelFlags,
  type SamplingFlags,
} from "./options.ts";
import { writeReceipt } from "./receipt-file.ts";
import { createProgress, note, noteThreads, print, printable, printJson } from "./terminal.ts";

interface RunFlags extends ModelFlags, SamplingFlags {
  readonly prompt?: string;
  readonly predict: number;
  readonly system?: string;
  readonly special?: true;
  readonly stop?: readonly string[];
  readonly json?: true;
  readonly receipt?: string;
}

/** A base model would otherwise go on until its context is full. */
const DEFAULT_PREDICT = 256;

/** `sirocco run`: one answer, then the end. */
export function runCommand(): Command {
  const command = new Command("run")
    .description("answer a question or continue a text, then exit")
    .argument("[question]", "one chat turn, through the model's chat template")
    .option("-p, --prompt <text>", "continue this text as it stands, without a template")
    .option("-n, --predict <n>", "at most this many new tokens", integer(1), DEFAULT_PREDICT)
    .option("--system <text>", "system message before the question")
    .option("--special", "let the spelling of a control token in --prompt become that token")
    .option("--stop <text...>", "end the answer before one of these texts")
    .option("--json", "print one JSON object: text, tokens, finish_reason, usage, timings, ...")
    .option("--receipt <file>", "write down what sirocco verify needs to compute the answer again");
  addModelOptions(command);
  return addSamplingOptions(command)
    .addHelpText(
      "after",
      `
Examples:
  sirocco run "What is a canary rollout?"
  sirocco run -m model.gguf -p "Once upon a time" -n 64 --temp 0.8 --seed 1
  sirocco run -m model.gguf -p "1 + 1 =" -n 4 --temp 0 --json
  sirocco run "What is a KV cache?" --receipt answer.json && sirocco verify answer.json`,
    )
    .action(run);
}

async function run(asked: string | undefined, flags: RunFlags): Promise<void> {
  if ((asked === undefined) === (flags.prompt === undefined)) {
    throw new UsageError('give either a question, as in run "What is ...?", or --prompt <text>');
  }
  const json = flags.json === true;
  const progress = createProgress("loading");
  const interrupt = abortOnInterrupt();
  const loaded = await loadLocal({
    ...toLoadOptions(flags),
    parallel: 1,
    identify: json || flags.receipt !== undefined,
    onProgress: (done, total) => progress.update(done, total),
    signal: interrupt.signal,
  }).finally(() => progress.end());
  const model = takeLoras(loaded);
  noteThreads(flags.threads, model.engine.info.threads);
  try {
    const prompt =
      asked === undefined
        ? rawPrompt(model, flags.prompt ?? "", flags.special === true)
        : chatPrompt(model, asked, flags.system);
    if (prompt.length === 0)
      throw new UsageError("the prompt is empty, give at least one character");
    const question = {
      prompt,
      maxTokens: flags.predict,
      sampling: toSampling(flags),
      stop: flags.stop ?? [],
      receipt: flags.receipt !== undefined,
      signal: interrupt.signal,
    };
    const answer = await ask(model, question, json ? undefined : (text) => print(printable(text)));
    if (flags.receipt !== undefined) await writeReceipt(flags.receipt, model, question, answer);
    if (json) return await printJson(await toJson(model, answer));
    await print("\n");
    note(speedLine(model, answer));
  } finally {
    interrupt.release();
    await model.close();
  }
}

function chatPrompt(
  model: LoadedModel,
  question: string,
  system: string | undefined,
): readonly number[] {
  if (model.template === undefined) {
    throw new RuntimeError(
      "UNSUPPORTED_PARAMETER",
      "Cannot chat: this model has no chat template; use --prompt to continue a text",
    );
  }
  return model.template.tokens(
    [
      ...(system === undefined ? [] : [{ role: "system" as const, content: system }]),
      { role: "user" as const, content: question },
    ],
    { addGenerationPrompt: true },
  );
}

async function toJson(model: LoadedModel, { text, tokens, done }: Answer): Promise<object> {
  const { promptTokens, completionTokens } = done.usage;
  const { firstTokenMs, decodeMs, engine } = done.timings;
  const prefillMs = engine?.prefillMs ?? firstTokenMs;
  const { backend, threads, loadMs } = model.engine.info;
  const digest = await model.digest();
  return {
    text,
    tokens,
    finish_reason: done.reason,
    usage: {
      prompt_tokens: promptTokens,
      completion_tokens: completionTokens,
      total_tokens: promptTokens + completionTokens,
    },
    timings: {
      load_ms: loadMs,
      first_token_ms: firstTokenMs,
      prefill_ms: prefillMs,
      decode_ms: decodeMs,
      prefill_per_second: tokensPerSecond(promptTokens, prefillMs),
      decode_per_second: tokensPerSecond(completionTokens - 1, decodeMs),
    },
    backend,
    threads,
    model: { name: model.config.name, quant: model.quant, digest },
    system_fingerprint: systemFingerprint(digest, model.engine.info),
  };
}
