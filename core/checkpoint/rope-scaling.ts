import { RuntimeError } from "../errors.ts";
import { quote } from "../gguf/problem.ts";
import { log, pow } from "../numeric/log.ts";
import { configFields, type ConfigFields } from "./config-fields.ts";
import type { KeyWriter } from "./architectures.ts";
import { asObject, type JsonObject } from "./folder.ts";

/**
 * Base and scaling in one object, as newer configurations have them; where layers with a window rotate otherwise, of
 * those that see all.
 */
export function ropeParameters(config: ConfigFields): JsonObject | undefined {
  const parameters = config.object("rope_parameters");
  return asObject(parameters?.["full_attention"]) ?? parameters;
}

/** What `rope_scaling` of a Hugging Face configuration becomes. */
export interface Scaling {
  /** Divisors of the frequencies [dims / 2], for models of the Llama 3.1 kind: a tensor of a GGUF file. */
  readonly divisors?: Float32Array;
}

/**
 * Write how the rotation is scaled. Throws `MODEL_UNSUPPORTED` for ways that are not known, whose answers would be
 * wrong.
 */
export function writeScaling(
  file: string,
  config: ConfigFields,
  rope: { readonly dims: number; readonly theta: number },
  write: KeyWriter,
): Scaling {
  const given = config.object("rope_scaling") ?? ropeParameters(config);
  if (given === undefined) return {};
  const scaling = configFields(file, given);
  const type = scaling.text("rope_type") ?? scaling.text("type") ?? "default";
  switch (type) {
    case "default":
      return {};
    case "linear":
      write("rope.scaling.type", "string", type);
      write("rope.scaling.factor", "f32", scaling.required("factor"));
      return {};
    case "yarn":
      writeYarn(scaling, write);
      return {};
    case "llama3":
      return { divisors: llama3Divisors(scaling, rope) };
    default:
      throw new RuntimeError(
        "MODEL_UNSUPPORTED",
        `Cannot read ${file}: rope_scaling ${quote(type)} is not supported, only linear, yarn and llama3`,
      );
  }
}

function writeYarn(scaling: ConfigFields, write: KeyWriter): void {
  const factor = scaling.required("factor");
  write("rope.scaling.type", "string", "yarn");
  write("rope.scaling.factor", "f32", factor);
  const original = scaling.number("original_max_position_embeddings");
  write("rope.scaling.original_context_length", "u32", original);
  write("rope.scaling.yarn_beta_fast", "f32", scaling.number("beta_fast"));
  write("rope.scaling.yarn_beta_slow", "f32", scaling.number("beta_slow"));
  const attention = scaling.number("attention_factor");
  if (attention === undefined) return;
  // GGML's factor comes on top of the one of the paper.
  write("rope.scaling.yarn_attn_factor", "f32", attention / (1 + 0.1 * log(factor)));
}

/**
 * Llama 3.1's scaling: pairs that turn often within the original context keep their frequency, those that turn
 * seldom are slowed by the factor, and between the two bounds the inverse goes linearly from one to the other.
 */
function llama3Divisors(
  scaling: ConfigFields,
  { dims, theta }: { readonly dims: number; readonly theta: number },
): Float32Array {
  const factor = scaling.required("factor");
  const slow = scaling.number("low_freq_factor") ?? 1;
  const fast = scaling.number("high_freq_factor") ?? 4;
  const context = scaling.number("original_max_position_embeddings") ?? 8192;
  return Float32Array.from({ length: dims / 2 }, (_, i) => {
    /** How often the pair turns within the original context. */
    const turns = context / (2 * Math.PI * pow(theta, (2 * i) / dims));
    if (turns > fast) return 1;
    if (turns < slow) return factor;
    const kept = (turns - slow) / (fast - slow);
    return 1 / ((1 - kept) / factor + kept);
  });
}
