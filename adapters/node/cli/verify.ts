import { Command } from "commander";
import { NUMERICS_VERSION } from "../../../core/engine/numerics.ts";
import { RuntimeError } from "../../../core/errors.ts";
import { closeLoras } from "../../../core/lora/load-lora.ts";
import type { Receipt } from "../../../core/receipt/receipt.ts";
import {
  contextOf,
  verifyReceipt,
  whyNotComparable,
  type Verdict,
} from "../../../core/receipt/verify.ts";
import { BACKEND_PREFERENCES, type BackendPreference } from "../backend.ts";
import type { WeightType } from "../../../core/tensor/dtype.ts";
import { modelDigest, openModel, remoteOptions } from "../header.ts";
import { loadLocal } from "../load.ts";
import { digestWith, loraFacts, openLoras } from "../open-lora.ts";
import { takeLoras } from "../take-loras.ts";
import { abortOnInterrupt } from "./interrupt.ts";
import {
  addThreadsOption,
  loraOption,
  modelOption,
  quantizeOption,
  toLora,
  UsageError,
} from "./options.ts";
import { readReceipt } from "./receipt-file.ts";
import { createProgress, printable, printJson, printLine } from "./terminal.ts";

interface VerifyFlags {
  readonly model: string;
  readonly threads: number;
  readonly quantize?: WeightType;
  readonly lora?: readonly string[];
  readonly json?: true;
}

/** What `diff` and `grep` report where something is found: the receipt was judged, and is not true. */
const EXIT_DIFFERENT = 1;

/** `sirocco verify`: compute an answer again and say whether it is the same. */
export function verifyCommand(): Command {
  const command = new Command("verify")
    .description("compute the answer of a receipt again and say whether it is the same")
    .argument("<receipt>", "file that sirocco run --receipt has written, here or elsewhere")
    .addOption(modelOption())
    .addOption(quantizeOption())
    .addOption(loraOption())
    .option("--json", 'print {"same", ...}: see README.md');
  return addThreadsOption(command)
    .addHelpText(
      "after",
      `
Exit code 0: the same. 1: different. 2: it cannot be told, e.g. as the receipt is of another model.

Example:
  sirocco run -m model.gguf "Why?" --temp 0.8 --seed 7 --receipt answer.json
  sirocco verify answer.json -m model.gguf`,
    )
    .action(verify);
}

async function verify(path: string, flags: VerifyFlags): Promise<void> {
  const verdict = await judge(path, flags).catch((error: unknown): never => {
    // Exit code 1 is kept for answers that differ.
    const expected = RuntimeError.is(error) && error.code !== "ABORTED";
    const fromSystem = error instanceof Error && "syscall" in error;
    if (expected || fromSystem) throw new UsageError(error.message, { cause: error });
    throw error;
  });
  if (!verdict.same) process.exitCode = EXIT_DIFFERENT;
  if (flags.json === true) await printJson(verdict);
  else await printLine(printable(describe(verdict)));
}

async function judge(path: string, flags: VerifyFlags): Promise<Verdict> {
  const receipt = await readReceipt(path);
  const backend = backendOf(receipt);
  await refuseOthers(receipt, flags);
  const progress = createProgress("loading");
  const interrupt = abortOnInterrupt();
  try {
    const loaded = await loadLocal({
      model: flags.model,
      threads: flags.threads,
      backend,
      kvType: receipt.numerics.kvType,
      contextSize: contextOf(receipt),
      parallel: 1,
      ...toLora(flags.lora),
      ...(flags.quantize === undefined ? {} : { quantize: flags.quantize }),
      onProgress: (done, total) => progress.update(done, total),
      signal: interrupt.signal,
    }).finally(() => progress.end());
    const model = takeLoras(loaded);
    try {
      const verifier = { ...model, digest: await model.digest() };
      return await verifyReceipt(receipt, verifier, interrupt.signal);
    } finally {
      await model.close();
    }
  } finally {
    interrupt.release();
  }
}

/** The backend that a receipt asks for. */
function backendOf({ numerics: { backend } }: Receipt): BackendPreference {
  // What a GPU computes differs from device to device: there is nothing to compare.
  const known = BACKEND_PREFERENCES.filter((name) => name !== "auto" && name !== "webgpu");
  const found = known.find((name) => name === backend);
  if (found !== undefined) return found;
  throw new UsageError(
    `cannot verify this receipt: it was computed by the backend ${backend}, here are ${known.join(", ")}`,
  );
}

/** Find out before gigabytes of weights are loaded. */
async function refuseOthers(
  receipt: Receipt,
  { model: location, quantize, lora }: VerifyFlags,
): Promise<void> {
  const { lora: sources = [] } = toLora(lora);
  const opened = await openModel(location, { ...remoteOptions(location), quantize });
  try {
    const own = { ...receipt.numerics, version: NUMERICS_VERSION };
    const loras = await openLoras(sources, opened.gguf, undefined);
    await closeLoras(loras);
    const digest = await digestWith(modelDigest(location, opened), loraFacts(sources, loras));
    const why = whyNotComparable(receipt, digest, own);
    if (why !== undefined) throw new UsageError(`cannot verify this receipt: ${why}`);
  } finally {
    await opened.gguf.close();
  }
}

function describe(verdict: Verdict): string {
  if (verdict.same)
    return `same: ${verdict.tokens} token${verdict.tokens === 1 ? "" : "s"}, bit by bit`;
  const { at, what, expected, actual } = verdict;
  if (what === "digest") return `differs in its digest: ${expected} stands there, it is ${actual}`;
  const claimed = expected ?? "nothing more";
  const found = actual ?? "nothing more";
  return `differs at token ${at} (${what}): the receipt says ${claimed}, computed was ${found}`;
}
