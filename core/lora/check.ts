import { RuntimeError } from "../errors.ts";
import type { GgufModel, TensorInfo } from "../gguf/gguf.ts";
import { quote } from "../gguf/problem.ts";
import { LORA_NAME, MAX_LORAS } from "./limits.ts";
import type { NamedLora } from "./load-lora.ts";
import type { LoraFile } from "./lora-file.ts";

/** Weights that products are made with, and that factors may therefore be for. */
const PRODUCTS =
  /^(?:blk\.\d+\.(?:attn_(?:q|k|v|output)|ffn_(?:gate|up|down|gate_inp))|output)\.weight$/;

/**
 * Check all adapters of an engine. Throws `INVALID_REQUEST` for names that cannot be or occur twice and for more than
 * {@linkcode MAX_LORAS}; as {@linkcode checkLora} does.
 */
export function checkLoras(loras: readonly NamedLora[], model: GgufModel): void {
  if (loras.length > MAX_LORAS) {
    throw invalid(`Cannot load ${loras.length} adapters: at most ${MAX_LORAS} may be`);
  }
  const names = new Set<string>();
  for (const { name, file } of loras) {
    if (!LORA_NAME.test(name)) {
      throw invalid(
        `Cannot call an adapter ${quote(name)}: expected up to 64 letters, digits and _ . -`,
      );
    }
    if (names.has(name)) {
      throw invalid(`Cannot call two adapters ${name}: give one of them another name`);
    }
    names.add(name);
    checkLora(file, model);
  }
}

function invalid(message: string): RuntimeError {
  return new RuntimeError("INVALID_REQUEST", message);
}

/**
 * Throws `MODEL_UNSUPPORTED` unless each pair of an adapter's factors belongs to a product of this model and has its
 * shape: an adapter of another model would load and answer nonsense.
 */
export function checkLora(lora: LoraFile, model: GgufModel): void {
  const architecture = model.metadata.get("general.architecture");
  if (lora.architecture !== undefined && lora.architecture !== architecture) {
    throw refused(
      lora,
      `it is for a model of architecture ${quote(lora.architecture)}, this one is ${quote(String(architecture))}; ` +
        "use the model that it was trained for",
    );
  }
  for (const [weight, { down, up }] of lora.sites) {
    const [m, k] = productOf(lora, model, weight).shape;
    if (down.shape[1] === k && up.shape[0] === m) continue;
    throw refused(
      lora,
      `its factors of ${weight} are for [${up.shape[0]}, ${down.shape[1]}], this model has [${m}, ${k}]; ` +
        "use the model that it was trained for",
    );
  }
}

function productOf(lora: LoraFile, { tensors }: GgufModel, weight: string): TensorInfo {
  const info = tensors.get(weight);
  if (info !== undefined && PRODUCTS.test(weight)) return info;
  if (weight.includes("_exps.")) {
    throw refused(lora, `it changes experts (${quote(weight)}), which is not supported`);
  }
  if (weight === "token_embd.weight") {
    throw refused(lora, "it changes the embedding, which is not supported");
  }
  if (weight === "output.weight") {
    throw refused(lora, "it changes the head, which this model shares with its embedding");
  }
  throw refused(
    lora,
    `this model has no product with ${quote(weight)}; use the model that it was trained for`,
  );
}

function refused({ name }: LoraFile, why: string): RuntimeError {
  return new RuntimeError("MODEL_UNSUPPORTED", `Cannot use the adapter ${name}: ${why}`);
}
