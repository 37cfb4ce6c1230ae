import { RuntimeError } from "../errors.ts";
import { malformed, quote } from "../gguf/problem.ts";
import { log, pow } from "../numeric/log.ts";
import { configFields, type ConfigFields } from "./config-fields.ts";
import type { KeyWriter } from "./architectures.ts";
import { asObject } from "./folder.ts";

/** Elements of a head: a table is made of them, before anybody else looks at the number. */
const MAX_HEAD_DIM = 4096;

/**
 * Write how positions rotate; gives the divisors of the frequencies [headDim / 2] for models of the Llama 3.1 kind,
 * which are a tensor of a GGUF file. Throws `MODEL_UNSUPPORTED` for scalings that are not known, whose answers would
 * be wrong.
 */
export function writeRope(
  config: ConfigFields,
  write: KeyWriter,
  headDim: number,
): Float32Array | undefined {
  if (!Number.isInteger(headDim) || headDim < 2 || headDim > MAX_HEAD_DIM) {
    throw malformed(config.file, `heads of ${headDim} elements, 2 to ${MAX_HEAD_DIM} may be`);
  }
  const parameters = ropeParameters(config);
  const theta = config.number("rope_theta") ?? parameters.number("rope_theta") ?? 10_000;
  write("rope.dimension_count", "u32", headDim);
  write("rope.freq_base", "f32", theta);
  const type = parameters.text("rope_type") ?? parameters.text("type") ?? "default";
  switch (type) {
    case "default":
      return undefined;
    case "linear":
      write("rope.scaling.type", "string", type);
      write("rope.scaling.factor", "f32", parameters.required("factor"));
      return undefined;
    case "yarn":
      writeYarn(parameters, write);
      return undefined;
    case "llama3":
      return llama3Divisors(parameters, { dims: headDim, theta });
    default:
      throw new RuntimeError(
        "MODEL_UNSUPPORTED",
        `Cannot use ${config.file}: rope_scaling ${quote(type)} is not supported, only linear, yarn and llama3`,
      );
  }
}

/** Write how attention grows sharper with the position, as in Ministral 3. */
export function writeTemperature(config: ConfigFields, write: KeyWriter): void {
  const parameters = ropeParameters(config);
  write("attention.temperature_scale", "f32", parameters.number("llama_4_scaling_beta"));
}

/**
 * Newer configurations have both base and scaling in `rope_parameters`, and where layers differ, one for each kind of
 * layer, of which that of the layers that see all is meant.
 */
function ropeParameters(config: ConfigFields): ConfigFields {
  const given = config.object("rope_scaling") ?? config.object("rope_parameters") ?? {};
  return configFields(config.file, asObject(given["full_attention"]) ?? given);
}

function writeYarn(scaling: ConfigFields, write: KeyWriter): void {
  const factor = scaling.required("factor");
  write("rope.scaling.type", "string", "yarn");
  write("rope.scaling.factor", "f32", factor);
  const original = scaling.number("original_max_position_embeddings");
  write("rope.scaling.original_context_length", "u32", original);
  write("rope.scaling.yarn_beta_fast", "f32", scaling.number("beta_fast"));
  write("rope.scaling.yarn_beta_slow", "f32", scaling.number("beta_slow"));
  write("rope.scaling.yarn_log_multiplier", "f32", scaling.number("mscale_all_dim"));
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
