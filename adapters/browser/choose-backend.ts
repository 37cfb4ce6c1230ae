import type { Refusal } from "../../backends/choose.ts";
import { createWasmBackend } from "../../backends/wasm/backend.ts";
import { RuntimeError } from "../../core/errors.ts";
import type { GgufModel } from "../../core/gguf/gguf.ts";
import type { Backend } from "../../core/tensor/backend.ts";
import type { Choice } from "../../core/tensor/choice.ts";
import type { RoomOptions } from "../node/limits.ts";
import { type ModelsToRun, planModels } from "../node/start-on.ts";
import { threadsFor } from "./compute-threads.ts";
import { browserKernels } from "./kernels.ts";

/** `auto`: a GPU where there is a sound one, else WebAssembly; the others by name, or not at all. */
export type BrowserBackend = "auto" | "webgpu" | "wasm";

/** A backend and why it is this one. */
export interface ChosenBackend {
  readonly backend: Backend;
  readonly choice: Choice;
}

/**
 * What is to compute a model. A browser reads a model once, as a stream, so nothing can be measured
 * beforehand: `auto` takes a GPU that is one and passes its self-test. Rejects with `INSUFFICIENT_RESOURCES`
 * where what was asked for is not there.
 */
export async function chooseBackend(
  preference: BrowserBackend,
  gguf: GgufModel,
  room: RoomOptions,
  threads: number | undefined,
): Promise<ChosenBackend> {
  const cpu = { threads, gguf, room };
  if (preference === "wasm") return wasm(cpu, { reason: "asked", detail: "asked for" });
  // Whoever wants WebAssembly does not load the kernels of GPUs.
  const { findGpu } = await import("./gpu.ts");
  const asked = preference === "webgpu";
  const found = await findGpu(gguf, room, asked);
  if ("backend" in found) {
    const { backend, description } = found;
    const choice: Choice = asked
      ? { reason: "asked", detail: `asked for, on ${description}` }
      : { reason: "sound", detail: `${description} computes rightly` };
    return { backend, choice };
  }
  if (asked) throw missing(found);
  return wasm(cpu, found);
}

async function wasm(
  { threads, ...models }: ModelsToRun & { readonly threads: number | undefined },
  choice: Choice,
): Promise<ChosenBackend> {
  const kernels = await browserKernels(threadsFor(threads));
  const { workload } = planModels(models);
  return { backend: await createWasmBackend({ ...kernels, workload }), choice };
}

function missing({ detail }: Refusal): RuntimeError {
  return new RuntimeError(
    "INSUFFICIENT_RESOURCES",
    `Cannot compute with WebGPU: ${detail}; choose WebAssembly`,
  );
}
