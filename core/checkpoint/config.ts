import { RuntimeError } from "../errors.ts";
import { quote } from "../gguf/problem.ts";
import {
  CHECKPOINT_ARCHITECTURES,
  type CheckpointArchitecture,
  type KeyWriter,
} from "./architectures.ts";
import { configFields, type ConfigFields } from "./config-fields.ts";
import { asArray, asObject, type JsonObject } from "./folder.ts";
import type { MetadataWriter } from "./metadata-writer.ts";

/** What `config.json` says beyond metadata. */
export interface CheckpointConfig {
  readonly architecture: CheckpointArchitecture;
  /** Rows of one head's queries, keys and values. */
  readonly headDim: number;
  /** Whether the embedding is the output matrix too. */
  readonly tied: boolean;
  /** Divisors of the rotation's frequencies, where there are any. */
  readonly divisors: Float32Array | undefined;
  /** Token ids by what they are for: `bos`, `eos`, `pad`. */
  readonly tokens: JsonObject;
}

/**
 * Write the metadata that a configuration amounts to. Throws `MODEL_UNSUPPORTED` for families that are not known,
 * `MODEL_MALFORMED` where a value is missing or has another type.
 */
export function writeConfig(
  file: string,
  values: JsonObject,
  writer: MetadataWriter,
): CheckpointConfig {
  const whole = configFields(file, values);
  const architecture = architectureOf(file, values);
  refuseQuantised(file, whole);
  // Models that also see keep what concerns text apart.
  const text = asObject(values["text_config"]);
  const merged = { ...architecture.defaults, ...(text ?? values) };
  const config = configFields(file, merged);
  checkActivation(config, architecture.activation);

  const write: KeyWriter = (key, type, value) =>
    writer.set(`${architecture.name}.${key}`, type, value);
  writer.set("general.architecture", "string", architecture.name);
  writer.set("general.type", "string", "model");

  const dim = config.required("hidden_size");
  const heads = config.required("num_attention_heads");
  const headDim = config.number("head_dim") ?? dim / heads;
  write("block_count", "u32", config.required("num_hidden_layers"));
  write("context_length", "u32", config.required("max_position_embeddings"));
  write("embedding_length", "u32", dim);
  write("feed_forward_length", "u32", config.required("intermediate_size"));
  write("attention.head_count", "u32", heads);
  write("attention.head_count_kv", "u32", config.number("num_key_value_heads") ?? heads);
  write("attention.key_length", "u32", headDim);
  write("attention.value_length", "u32", headDim);
  write("attention.layer_norm_rms_epsilon", "f32", config.number("rms_norm_eps"));
  write("vocab_size", "u32", config.number("vocab_size"));
  const divisors = architecture.writeConfig(config, write, headDim);
  return {
    architecture,
    headDim,
    tied: (config.flag("tie_word_embeddings") ?? whole.flag("tie_word_embeddings")) === true,
    divisors,
    tokens: { ...values, ...text },
  };
}

function checkActivation(config: ConfigFields, expected: string): void {
  const found = config.text("hidden_activation") ?? config.text("hidden_act") ?? expected;
  if (found === expected) return;
  throw new RuntimeError(
    "MODEL_UNSUPPORTED",
    `Cannot use ${config.file}: its activation is ${quote(found)}, only ${expected} is supported`,
  );
}

function architectureOf(file: string, values: JsonObject): CheckpointArchitecture {
  const [named] = asArray(values["architectures"]);
  const found = typeof named === "string" ? CHECKPOINT_ARCHITECTURES.get(named) : undefined;
  if (found !== undefined) return found;
  const shown = typeof named === "string" ? quote(named) : "missing";
  throw new RuntimeError(
    "MODEL_UNSUPPORTED",
    `Cannot read ${file}: its architecture is ${shown}, known are ${[...CHECKPOINT_ARCHITECTURES.keys()].join(", ")}`,
  );
}

/** Weights that other libraries have packed in their own ways; eight-bit floats are plain tensors. */
function refuseQuantised(file: string, config: ConfigFields): void {
  const quantisation = config.object("quantization_config");
  const method = quantisation?.["quant_method"];
  if (method === undefined || method === "fp8") return;
  throw new RuntimeError(
    "MODEL_UNSUPPORTED",
    `Cannot read ${file}: its weights are quantised with ${quote(JSON.stringify(method))}; use the original weights and --quantize`,
  );
}
