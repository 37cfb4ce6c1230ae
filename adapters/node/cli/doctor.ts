import { availableParallelism, freemem, totalmem } from "node:os";
import { Command, Option } from "commander";
import type { KvType } from "../../../core/tensor/kv-type.ts";
import { GREEDY } from "../../../core/sampler/params.ts";
import { BACKEND_PREFERENCES, createBackend, type BackendPreference } from "../backend.ts";
import { loadLocal } from "../load.ts";
import { demoModelPath, packageVersion } from "../package-root.ts";
import { ask, tokensPerSecond } from "./answering.ts";
import { kvTypeOption } from "./options.ts";
import { formatBytes, printable, printJson, printLine, table } from "./terminal.ts";

interface DoctorFlags {
  readonly backend: BackendPreference;
  readonly kvType?: KvType;
  readonly json?: true;
}

/** One thing that was looked at. */
interface Finding {
  readonly check: string;
  readonly fine: boolean;
  readonly detail: string;
}

const QUESTION = "What is quantization?";
/** How the demo model's answer begins on every backend and every machine. */
const EXPECTED = "Quantization stores model weights with fewer bits";

/** `sirocco doctor`: what works on this machine. */
export function doctorCommand(): Command {
  return new Command("doctor")
    .description("check what works on this machine; exit code 1 if something does not")
    .addOption(
      new Option("--backend <name>", "what computes")
        .env("SIROCCO_BACKEND")
        .choices(BACKEND_PREFERENCES)
        .default("auto"),
    )
    .addOption(kvTypeOption())
    .option("--json", "print the findings as a JSON array")
    .action(examine);
}

async function examine(flags: DoctorFlags): Promise<void> {
  const findings = [
    runtime(),
    memory(),
    await attempt("kernels", () => kernels(flags.backend)),
    await attempt("demo model", () => demoModel(flags)),
  ];
  if (flags.json === true) await printJson(findings);
  else {
    const rows = findings.map(({ check, fine, detail }) => [fine ? "ok" : "FAILED", check, detail]);
    await printLine(printable(table(rows)));
  }
  if (findings.some(({ fine }) => !fine)) process.exitCode = 1;
}

function runtime(): Finding {
  const { node, v8 } = process.versions;
  const detail =
    `sirocco ${packageVersion()}, Node ${node} (V8 ${v8}), ${process.platform} ${process.arch}, ` +
    `${availableParallelism()} CPUs`;
  return { check: "runtime", fine: true, detail };
}

function memory(): Finding {
  // A container's limit; 0 or beyond the machine's memory where there is none.
  const constrained = process.constrainedMemory();
  const limit = constrained > 0 && constrained < totalmem() ? constrained : totalmem();
  const detail = `${formatBytes(limit)}, ${formatBytes(Math.min(limit, freemem()))} free`;
  return { check: "memory", fine: true, detail };
}

/** Which backend is chosen; the self-test is part of choosing. */
async function kernels(preference: BackendPreference): Promise<string> {
  const { backend, reason, features } = await createBackend({
    preference,
    threads: availableParallelism(),
  });
  const { name, threads } = backend;
  await backend.close();
  const found = features.length === 0 ? "not used" : features.join(", ");
  return `${name}, ${threads} thread${threads === 1 ? "" : "s"} (${reason}); WebAssembly: ${found}`;
}

/** Answer a question whose answer is known. */
async function demoModel({ backend, kvType }: DoctorFlags): Promise<string> {
  const model = await loadLocal({
    model: demoModelPath(),
    backend,
    parallel: 1,
    ...(kvType === undefined ? {} : { kvType }),
  });
  try {
    const prompt = model.template?.tokens([{ role: "user", content: QUESTION }], {
      addGenerationPrompt: true,
    });
    const { text, done } = await ask(model, { prompt: prompt ?? [], sampling: GREEDY });
    if (!text.startsWith(EXPECTED)) {
      throw new Error(`answered ${JSON.stringify(text.slice(0, 80))}, expected "${EXPECTED} ..."`);
    }
    const speed = tokensPerSecond(done.usage.completionTokens - 1, done.timings.decodeMs) ?? 0;
    return `answers as it should, ${speed.toFixed(0)} tokens/s, loaded in ${Math.round(model.engine.info.loadMs)} ms`;
  } finally {
    await model.close();
  }
}

async function attempt(check: string, look: () => Promise<string>): Promise<Finding> {
  try {
    return { check, fine: true, detail: await look() };
  } catch (error) {
    return { check, fine: false, detail: error instanceof Error ? error.message : String(error) };
  }
}
