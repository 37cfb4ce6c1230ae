import type { Backend } from "../core/tensor/backend.ts";
import type { Choice, ChoiceReason, Trial } from "../core/tensor/choice.ts";
import type { MemoryNeed, Workload } from "../core/tensor/workload.ts";

/** A GPU that may compute. */
export interface GpuContender {
  /** For the machine's owner: vendor, architecture and description as far as the adapter tells. */
  readonly description: string;
  /** Whether the adapter says that it computes on the CPU. */
  readonly software: boolean;
  /** What a workload would take, as {@linkcode Backend.need} tells it. */
  need(workload: Workload): MemoryNeed;
  /** A new backend on it; closing that leaves the GPU open. */
  backend(): Promise<Backend>;
  /**
   * A new backend whose `close` closes the GPU. Where nothing but a workload's weights is going to be loaded, naming
   * it saves memory.
   */
  keep(workload?: Workload): Promise<Backend>;
  /** Give the GPU up. */
  close(): void;
}

/** Why a GPU was not tried, or not to the end. */
export interface Refusal {
  readonly reason: Exclude<
    ChoiceReason,
    "asked" | "only" | "sound" | "faster" | "slower" | "no_simd"
  >;
  /** For the machine's owner. */
  readonly detail: string;
}

/** What was found out about a GPU. */
export type GpuFinding = Refusal | { readonly description: string; readonly trial: Trial };

/** The backend that is to compute, and why. */
export interface Decision extends Choice {
  readonly backend: "webgpu" | "wasm";
}

/** An exchange as chats have it, by which speeds of prompts and of answers become one number. */
const PROMPT_TOKENS = 256;
const ANSWER_TOKENS = 128;

/**
 * How much faster a GPU has to be. Measurements this short err by some percent, and WebAssembly has what a
 * GPU has not: the same bits on every machine, guesses of next tokens, and memory that need not be shared.
 */
const LEAST_GAIN = 1.1;

/**
 * How far logits may be from those of WebAssembly, as a part of their norm: rounding activations to bytes
 * makes some percent, computing anything else makes about one.
 */
const MOST_DISAGREEMENT = 0.3;

/** Decide between a GPU and WebAssembly. Pure; `cpu` is absent where WebAssembly cannot hold the model. */
export function decide(gpu: GpuFinding, cpu?: Trial): Decision {
  if ("reason" in gpu) return { backend: "wasm", ...gpu };
  const { description, trial } = gpu;
  if (cpu === undefined) {
    const detail = `${description}; WebAssembly cannot hold the model`;
    return { backend: "webgpu", reason: "only", detail };
  }
  const disagreement = distance(trial.logits, cpu.logits);
  // Also where it is no number.
  if (!(disagreement <= MOST_DISAGREEMENT)) {
    const detail = `${description}: its logits are off by ${disagreement.toPrecision(2)} of their size`;
    return { backend: "wasm", reason: "wrong", detail };
  }
  const [onGpu, onCpu] = [exchangeMs(trial), exchangeMs(cpu)];
  const gain = onCpu / onGpu;
  const detail =
    `${PROMPT_TOKENS} + ${ANSWER_TOKENS} tokens take ${seconds(onGpu)} on ${description}, ` +
    `${seconds(onCpu)} on WebAssembly`;
  // A clock too coarse to tell them apart makes the gain NaN.
  return gain >= LEAST_GAIN
    ? { backend: "webgpu", reason: "faster", detail }
    : { backend: "wasm", reason: "slower", detail };
}

function exchangeMs({ promptMs, stepMs }: Trial): number {
  return PROMPT_TOKENS * promptMs + ANSWER_TOKENS * stepMs;
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toPrecision(3)} s`;
}

/** ‖a - b‖ / ‖b‖ */
function distance(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return NaN;
  let difference = 0;
  let size = 0;
  for (const [i, value] of b.entries()) {
    difference += (a[i]! - value) ** 2;
    size += value ** 2;
  }
  return Math.sqrt(difference / size);
}
