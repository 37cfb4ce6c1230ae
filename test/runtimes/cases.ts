import { createWasmBackend } from "../../backends/wasm/backend.ts";
import type { Backend } from "../../core/tensor/backend.ts";
import {
  conversation,
  kernelsAgree,
  leaving,
  products,
  stepMatchesReference,
  tokenizerRoundTrip,
} from "./checks.ts";
import type { Environment, Finding, Findings, ModelName } from "./environment.ts";
import { spreadOver } from "../fixtures/spread.ts";
import { createIdentityRig, SAMPLINGS, type IdentityRig } from "./identity.ts";
import { PROMPTS } from "./prompts.ts";
import { backendSuite, httpSuite } from "./suites.ts";

const CHECKS: Readonly<Record<string, (environment: Environment) => Promise<string>>> = {
  "kernel builds agree": kernelsAgree,
  "the suite of backends": backendSuite,
  "the suite of the fetch handler": httpSuite,
  "products of every weight type": products,
  "a step on the reference backend": stepMatchesReference,
  "tokenizer round trip": tokenizerRoundTrip,
  "conversation over HTTP": conversation,
  "leaving frees the slot": leaving,
};

/** Prompts of the schedules beside the first: chunks of 1 take as many steps as the prompt has tokens. */
const FEW = 4;

/** Run every case. Cases do not stop one another. */
export async function runCases(environment: Environment): Promise<Findings> {
  const findings: Record<string, Finding> = {};
  for (const [name, check] of Object.entries(CHECKS)) {
    findings[name] = await find(() => check(environment));
  }
  for (const name of environment.models) {
    Object.assign(findings, await identity(environment, name));
  }
  return findings;
}

async function find(run: () => Promise<string>): Promise<Finding> {
  try {
    return { value: await run() };
  } catch (error) {
    return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

/** Digests of a model's logits by every schedule; within one runtime they are compared here. */
async function identity(environment: Environment, name: ModelName): Promise<Findings> {
  const findings: Record<string, Finding> = {};
  const small = name !== "smollm2";
  const all = small ? PROMPTS.length : environment.prompts;
  for (const [kind, sampling] of Object.entries(SAMPLINGS)) {
    const digests: string[] = [];
    const few: string[] = [];
    findings[`${name}, ${kind}`] = await find(async () => {
      for (const create of backendsFor(environment, small)) {
        const rig = await createIdentityRig(environment, name, create);
        digests.push(await rig.digest({ batch: 8, chunk: 64, prompts: all }, sampling));
        if (small) few.push(...(await otherSchedules(rig, sampling)));
        await rig.close();
      }
      if (new Set(digests).size !== 1) throw new Error(`Backends differ: ${digests.join(", ")}`);
      if (new Set(few).size > 1) throw new Error(`Schedules differ: ${few.join(", ")}`);
      return digests[0]!;
    });
  }
  return findings;
}

/**
 * Every build in one thread, the last one over several memories, and one in two threads. The real model takes seconds a run: of its builds only
 * the first and the last.
 */
function backendsFor(environment: Environment, all: boolean): readonly (() => Promise<Backend>)[] {
  const { kernels, threaded } = environment;
  const last = kernels.at(-1)!;
  const builds = all ? kernels : [...new Set([kernels[0]!, last])];
  return [
    ...builds.map(
      (build) => () =>
        createWasmBackend(all && build === last ? { ...build, ...spreadOver(3) } : build),
    ),
    ...(threaded === undefined ? [] : [() => threaded(last, 2)]),
  ];
}

/** The same prompts alone and together, in chunks of several sizes. */
async function otherSchedules(
  rig: IdentityRig,
  sampling: (typeof SAMPLINGS)[keyof typeof SAMPLINGS],
): Promise<readonly string[]> {
  const digests: string[] = [];
  for (const [batch, chunk] of [
    [8, 64],
    [8, 7],
    [8, 1],
    [1, 64],
    [1, 7],
    [1, 1],
  ] as const) {
    digests.push(await rig.digest({ batch, chunk, prompts: FEW }, sampling));
  }
  return digests;
}
