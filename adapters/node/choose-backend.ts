import { decide, type GpuContender, type Refusal } from "../../backends/choose.ts";
import { findFault } from "../../backends/self-test/self-test.ts";
import { RuntimeError } from "../../core/errors.ts";
import { readConfig } from "../../core/model/config.ts";
import { checkFit } from "../../core/model/fit.ts";
import { tryModel, type TrialOptions } from "../../core/model/trial.ts";
import { workloadOf } from "../../core/model/workload.ts";
import type { Backend } from "../../core/tensor/backend.ts";
import type { Choice, Trial } from "../../core/tensor/choice.ts";
import type { Workload } from "../../core/tensor/workload.ts";
import { planRoom } from "./limits.ts";
import type { ModelsToRun } from "./start-on.ts";

/** What there is to choose from, as a runtime brings it. */
export interface Contenders {
  /** A new backend on the CPU. */
  cpu(): Promise<Backend>;
  /** The GPU, or why it is not worth a try. What it rejects with is a reason, too. */
  gpu(): Promise<GpuContender | Refusal>;
  /** Whether a GPU that computes on the CPU is measured like any other. */
  readonly measureSoftware?: boolean;
}

/** How to go about it. */
export interface ChooseOptions {
  /** Aborts choosing. */
  readonly signal?: AbortSignal | undefined;
  /** A clock in milliseconds; `performance.now` unless given. */
  readonly now?: () => number;
}

/** A backend that is the caller's to close, and why it is this one. */
export interface Chosen {
  readonly backend: Backend;
  readonly choice: Choice;
}

/** Opening an adapter takes tens of milliseconds; a driver that hangs is as good as none. */
const OPEN_MS = 10_000;

/** Compiling and trying takes a second or two, and some ten on a driver that compiles for the CPU. */
const TRIAL_MS = 60_000;

/**
 * Choose the backend that a model runs fastest on. Cheap refusals come first: only a GPU that is there, is no
 * CPU in disguise and computes each kernel of this model rightly is measured, beside WebAssembly, on the
 * same tokens of the model's first layers. Whatever fails on the way is a reason for WebAssembly. Rejects
 * with what `cpu` rejects with, and where the signal aborts.
 */
export async function chooseBackend(
  contenders: Contenders,
  model: ModelsToRun,
  { signal, now = () => performance.now() }: ChooseOptions = {},
): Promise<Chosen> {
  let gpu: GpuContender | undefined;
  try {
    const opening = contenders.gpu();
    const found = await within(OPEN_MS, "opening the GPU", opening, (late) => {
      if (!("reason" in late)) late.close();
    });
    if ("reason" in found) return await onCpu(contenders, found);
    gpu = found;
    const { description, software } = gpu;
    if (software && contenders.measureSoftware !== true) {
      return await giveUp(contenders, gpu, {
        reason: "software",
        detail: `${description} computes on the CPU, which WebAssembly uses better`,
      });
    }
    const { limits } = planRoom(readConfig(model.gguf), model.room);
    const workload = workloadOf(model.gguf, limits, model.loras);
    const { kvType } = limits;
    const options: TrialOptions = { kvType, now, ...(signal === undefined ? {} : { signal }) };
    const tried = await within(TRIAL_MS, "trying the GPU", tryGpu(gpu, model, workload, options));
    if ("reason" in tried) return await giveUp(contenders, gpu, tried);
    const decision = decide(
      { description, trial: tried },
      await tryCpu(contenders, model, workload, options),
    );
    if (decision.backend === "wasm") return await giveUp(contenders, gpu, decision);
    return { backend: await gpu.keep(workload), choice: choiceOf(decision) };
  } catch (error) {
    if (signal?.aborted === true) {
      gpu?.close();
      throw new RuntimeError("ABORTED", "Loading was aborted", { cause: signal.reason });
    }
    const detail = error instanceof Error ? error.message : String(error);
    return giveUp(contenders, gpu, { reason: "failed", detail });
  }
}

/** What is wrong with a GPU, or how fast it is. */
async function tryGpu(
  gpu: GpuContender,
  { gguf }: ModelsToRun,
  workload: Workload,
  options: TrialOptions,
): Promise<Trial | Refusal> {
  const refusal = refuse({ name: "webgpu", need: (asked) => gpu.need(asked) }, workload);
  if (refusal !== undefined) return refusal;
  const backend = await gpu.backend();
  try {
    const fault = await findFault(backend, workload.operations);
    if (fault !== undefined) {
      return { reason: "wrong", detail: `${gpu.description}: ${fault}` };
    }
    return await tryModel(gguf, backend, options);
  } finally {
    await backend.close();
  }
}

/** `undefined` where the model does not fit. */
async function tryCpu(
  contenders: Contenders,
  { gguf }: ModelsToRun,
  workload: Workload,
  options: TrialOptions,
): Promise<Trial | undefined> {
  const backend = await contenders.cpu();
  try {
    if (refuse(backend, workload) !== undefined) return undefined;
    return await tryModel(gguf, backend, options);
  } finally {
    await backend.close();
  }
}

/** Why a backend cannot hold a workload, where it cannot. */
function refuse(backend: Pick<Backend, "name" | "need">, workload: Workload): Refusal | undefined {
  try {
    checkFit(backend, workload);
    return undefined;
  } catch (error) {
    if (!RuntimeError.is(error)) throw error;
    // What has to be bound at once is no matter of how much there is.
    const reason = error.cause instanceof RangeError ? "limits" : "memory";
    return { reason, detail: error.message };
  }
}

async function giveUp(
  contenders: Contenders,
  gpu: GpuContender | undefined,
  choice: Choice,
): Promise<Chosen> {
  gpu?.close();
  return onCpu(contenders, choice);
}

async function onCpu(contenders: Contenders, choice: Choice): Promise<Chosen> {
  return { backend: await contenders.cpu(), choice: choiceOf(choice) };
}

function choiceOf({ reason, detail }: Choice): Choice {
  return { reason, detail };
}

/** Rejects where something takes longer than it may; what comes of it nevertheless is handed to `drop`. */
async function within<T>(
  milliseconds: number,
  what: string,
  work: Promise<T>,
  drop: (late: T) => void = () => {},
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let givenUp = false;
  const dropLate = async (): Promise<void> => {
    const late = await work;
    if (givenUp) drop(late);
  };
  dropLate().catch(() => {});
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      givenUp = true;
      reject(new Error(`${what} took more than ${milliseconds / 1000} s`));
    }, milliseconds);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
