import { createAssistant, type Assistant } from "../../core/api/assistant.ts";
import { loadLocal, type LoadOptions } from "./load.ts";
import { demoModelPath } from "./package-root.ts";

/**
 * Load a model and talk to it. `model` is a path or an `http(s):` URL of a GGUF file, the first where
 * there are several. It computes in a worker, so nothing else waits for it.
 *
 * Rejects with `MODEL_NOT_FOUND`, `MODEL_MALFORMED`, `MODEL_UNSUPPORTED`, `INSUFFICIENT_RESOURCES`,
 * `ABORTED`.
 */
export async function load(
  model: string | URL,
  options: Omit<LoadOptions, "model"> = {},
): Promise<Assistant> {
  return createAssistant(await loadLocal({ ...options, model: String(model) }));
}

/** Path of the model that comes with the package. */
export const demoModel: string = demoModelPath();
