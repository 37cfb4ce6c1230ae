import { RuntimeError } from "../../core/errors.ts";
import { LORA_NAME, MAX_LORA_SCALE } from "../../core/lora/limits.ts";
import { modelName } from "./model-name.ts";

/** An adapter to load: plain data, so that it crosses to a worker. */
export interface LoraSource {
  /** What requests call it. */
  readonly name: string;
  /** A path or URL of a GGUF file, or of a folder as PEFT saves it. */
  readonly location: string;
  /** How much of it a request takes that says nothing else; 1 unless given. */
  readonly scale?: number;
}

/**
 * `[name=]FILE[:scale]`; an adapter without a name has its file's. Throws `INVALID_REQUEST` where that is none, and for
 * a scale that is not computed with.
 */
export function parseLora(text: string): LoraSource {
  const [, given, rest = text] = /^([\w][\w.-]*)=(.+)$/s.exec(text) ?? [];
  // What follows the host of a URL is its port.
  const [, file = rest, digits] =
    /^(?![a-z]+:\/\/[^/]*$)(.+):(-?\d+(?:\.\d+)?)$/is.exec(rest) ?? [];
  const name = given ?? modelName(file);
  if (!LORA_NAME.test(name)) {
    throw new RuntimeError(
      "INVALID_REQUEST",
      `Cannot name the adapter ${file}: give it a name of up to 64 letters, digits and _ . -, as in name=${file}`,
    );
  }
  if (digits === undefined) return { name, location: file };
  const scale = Number(digits);
  if (Math.abs(scale) > MAX_LORA_SCALE) {
    throw new RuntimeError(
      "INVALID_REQUEST",
      `Cannot take ${digits} of the adapter ${name}: expected a scale from -${MAX_LORA_SCALE} to ${MAX_LORA_SCALE}`,
    );
  }
  return { name, location: file, scale };
}
