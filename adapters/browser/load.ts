import { createAssistant, type Assistant } from "../../core/api/assistant.ts";
import { type LoadOptions, openEngine } from "./open-engine.ts";

/**
 * Load a model in a worker, so that the page stays responsive, and keep what was downloaded for the next
 * time. A worker that breaks is replaced, and its answers go on. `model` is a URL, relative to the page, or a file
 * that the user chose.
 *
 * Rejects with `MODEL_NOT_FOUND`, `MODEL_MALFORMED`, `MODEL_UNSUPPORTED`, `INSUFFICIENT_RESOURCES`,
 * `NOT_READY`, `ABORTED`.
 */
export async function load(
  model: string | URL | Blob,
  options: LoadOptions = {},
): Promise<Assistant> {
  return createAssistant(await openEngine(model, options));
}
