import { availableParallelism, freemem } from "node:os";
import { Command, Option } from "commander";
import type { KvType } from "../../../core/tensor/kv-type.ts";
import { GREEDY } from "../../../core/sampler/params.ts";
import type { ChoiceReason } from "../../../core/tensor/choice.ts";
import {
  BACKEND_PREFERENCES,
  createBackend,
  type BackendChoice,
  type BackendPreference,
} from "../backend.ts";
import { openModel } from "../header.ts";
import { machineMemory } from "../machine-memory.ts";
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
  /** For programs: the backend, and the code of its reason. */
  readonly backend?: string;
  readonly reason?: ChoiceReason;
}

/** How the demo model is loaded. */
const ROOM = { parallel: 1 };

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
  const findings: Finding[] = [runtime(), memory()];
  let { backend } = flags;
  try {
    const chosen = await choose(backend);
    backend = preferenceOf(chosen.backend.name);
    findings.push(...toFindings(chosen));
  } catch (error) {
    findings.push({ check: "backend", fine: false, detail: messageOf(error) });
  }
  findings.push(await attempt("demo model", () => demoModel({ ...flags, backend })));
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
  const limit = machineMemory();
  const detail = `${formatBytes(limit)}, ${formatBytes(Math.min(limit, freemem()))} free`;
  return { check: "memory", fine: true, detail };
}

/** What computes the demo model here; testing and trying is part of choosing. */
async function choose(preference: BackendPreference): Promise<BackendChoice> {
  const { gguf } = await openModel(demoModelPath());
  try {
    const threads = availableParallelism();
    const chosen = await createBackend({ preference, threads, model: { gguf, room: ROOM } });
    await chosen.backend.close();
    return chosen;
  } finally {
    await gguf.close();
  }
}

/** Which backend is chosen, and which kernels of WebAssembly. */
function toFindings({ backend, choice, kernels, features }: BackendChoice): readonly Finding[] {
  const { name, threads } = backend;
  const { reason, detail } = choice;
  const found: Finding[] = [
    {
      check: "backend",
      fine: true,
      detail: `${name}, ${threads} thread${threads === 1 ? "" : "s"}; ${reason}: ${detail}`,
      backend: name,
      reason,
    },
  ];
  if (kernels !== undefined) {
    found.push({ check: "kernels", fine: true, detail: `${features.join(", ")} (${kernels})` });
  }
  return found;
}

/** The preference that makes a backend of this name, without choosing again. */
function preferenceOf(name: string): BackendPreference {
  return BACKEND_PREFERENCES.find((preference) => name.startsWith(preference)) ?? "auto";
}

/** Answer a question whose answer is known. */
async function demoModel({ backend, kvType }: DoctorFlags): Promise<string> {
  const model = await loadLocal({
    model: demoModelPath(),
    backend,
    ...ROOM,
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
    return { check, fine: false, detail: messageOf(error) };
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
