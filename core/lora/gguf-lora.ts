import type { GgufModel } from "../gguf/gguf.ts";
import { malformed, quote, unsupported } from "../gguf/problem.ts";
import type { LoraFile, LoraPair } from "./lora-file.ts";
import { addFactor, checkAlpha, toSites } from "./read-pairs.ts";

/**
 * An adapter in a GGUF file, as llama.cpp's `convert_lora_to_gguf.py` writes it: for a weight X the tensors `X.lora_a`
 * and `X.lora_b`. The file becomes the adapter's own. Throws `MODEL_MALFORMED` and `MODEL_UNSUPPORTED`.
 *
 * @param name What errors call it.
 */
export function readGgufLora(gguf: GgufModel, name: string): LoraFile {
  const { metadata, tensors } = gguf;
  if (metadata.get("general.type") !== "adapter") {
    throw malformed(name, "it is no adapter (general.type): a model is given as --model");
  }
  const type = metadata.get("adapter.type");
  if (type !== "lora") {
    const shown = quote(JSON.stringify(type ?? null));
    throw unsupported(name, `its adapter.type is ${shown}, only "lora" is supported`);
  }
  if (metadata.has("adapter.alora.invocation_tokens")) {
    throw unsupported(name, "it is for a part of a text only (aLoRA), which is not supported");
  }
  const alpha = checkAlpha(name, metadata.get("adapter.lora.alpha"));
  const architecture = metadata.get("general.architecture");
  const pairs = new Map<string, LoraPair>();
  for (const [tensor, info] of tensors) {
    const [, weight, factor] = /^(.+)\.lora_([ab])$/.exec(tensor) ?? [];
    if (weight === undefined) {
      throw unsupported(
        name,
        `tensor ${quote(tensor)} is no factor: only adapters of low rank and nothing beside them are supported`,
      );
    }
    addFactor(pairs, weight, factor === "a" ? "down" : "up", info);
  }
  // As llama.cpp has it: an adapter without an alpha adds its factors as they are.
  const sites = toSites(name, pairs, (rank) => (alpha === 0 ? 1 : alpha / rank));
  return {
    name,
    ...(typeof architecture === "string" ? { architecture } : {}),
    sites,
    byteLength: gguf.byteLength,
    read: (factor, offset, into) => gguf.read(factor, offset, into),
    close: () => gguf.close(),
  };
}
