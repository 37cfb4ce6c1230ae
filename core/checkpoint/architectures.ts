/**
 * What Hugging Face's configurations and tensors are called in a GGUF file, one entry for each family of models, as
 * llama.cpp's converter has it.
 */
import type { MetadataType, MetadataValue } from "../gguf/gguf.ts";
import type { ConfigFields } from "./config-fields.ts";
import { asArray, asObject } from "./folder.ts";

/** Write a key of the architecture: `block_count` becomes `llama.block_count`. Nothing for `undefined`. */
export type KeyWriter = (key: string, type: MetadataType, value: MetadataValue | undefined) => void;

/** One family of checkpoints. */
export interface CheckpointArchitecture {
  /** `general.architecture` of the GGUF file. */
  readonly name: string;
  /** Write what this family has beyond what all have. */
  readonly writeConfig: (config: ConfigFields, write: KeyWriter) => void;
  /** GGUF's names of the tensors outside of layers, and those within after `blk.N.`, without `.weight`. */
  readonly outside: TensorNames;
  readonly layer: TensorNames;
  /**
   * Rows of queries and keys go from halves to pairs: GGUF's rotation of the Llama family turns neighbours, Hugging
   * Face's turns elements half a head apart.
   */
  readonly paired: boolean;
  /** What is added to the weights of norms, where the checkpoint holds them as distances from it. */
  readonly normsFrom?: number;
}

type TensorNames = Readonly<Record<string, string>>;

const OUTSIDE: TensorNames = {
  embed_tokens: "token_embd",
  norm: "output_norm",
  lm_head: "output",
};

const LAYER: TensorNames = {
  input_layernorm: "attn_norm",
  "self_attn.q_proj": "attn_q",
  "self_attn.k_proj": "attn_k",
  "self_attn.v_proj": "attn_v",
  "self_attn.o_proj": "attn_output",
  post_attention_layernorm: "ffn_norm",
  "mlp.gate_proj": "ffn_gate",
  "mlp.up_proj": "ffn_up",
  "mlp.down_proj": "ffn_down",
};

const llama: CheckpointArchitecture = {
  name: "llama",
  writeConfig(config, write) {
    write("attention.sliding_window", "u32", config.number("sliding_window"));
  },
  outside: OUTSIDE,
  layer: LAYER,
  paired: true,
};

const mixtral: CheckpointArchitecture = {
  ...llama,
  writeConfig(config, write) {
    llama.writeConfig(config, write);
    write("expert_count", "u32", config.required("num_local_experts"));
    write("expert_used_count", "u32", config.required("num_experts_per_tok"));
  },
  layer: {
    ...LAYER,
    "block_sparse_moe.gate": "ffn_gate_inp",
    // One matrix of each expert: they become one tensor.
    "block_sparse_moe.experts.*.w1": "ffn_gate_exps",
    "block_sparse_moe.experts.*.w2": "ffn_down_exps",
    "block_sparse_moe.experts.*.w3": "ffn_up_exps",
  },
};

const qwen2: CheckpointArchitecture = {
  name: "qwen2",
  writeConfig(config, write) {
    if (config.flag("use_sliding_window") !== true) return;
    const [layers, full] = [
      config.required("num_hidden_layers"),
      config.number("max_window_layers"),
    ];
    write("attention.sliding_window", "u32", config.number("sliding_window"));
    write(
      WINDOW_PATTERN,
      "bool",
      Array.from({ length: layers }, (_, i) => i >= (full ?? 28)),
    );
  },
  outside: OUTSIDE,
  layer: LAYER,
  paired: false,
};

/** Which layers have the window, where a configuration lists what each is. */
function writeLayerTypes(config: ConfigFields, write: KeyWriter): void {
  const types = asArray(config.raw("layer_types"));
  if (types.length === 0) return;
  write(
    WINDOW_PATTERN,
    "bool",
    types.map((type) => type === "sliding_attention"),
  );
}

const WINDOW_PATTERN = "attention.sliding_window_pattern";

const ministral: CheckpointArchitecture = {
  ...llama,
  writeConfig(config, write) {
    llama.writeConfig(config, write);
    writeLayerTypes(config, write);
  },
};

/** Ministral 3: rotation and the growth of queries are in one place. */
const ministral3: CheckpointArchitecture = {
  ...llama,
  name: "mistral3",
  writeConfig(config, write) {
    llama.writeConfig(config, write);
    const rope = asObject(config.raw("rope_parameters")) ?? {};
    const number = (name: string): number | undefined => {
      const value = rope[name];
      return typeof value === "number" ? value : undefined;
    };
    write("rope.scaling.yarn_log_multiplier", "f32", number("mscale_all_dim"));
    write("attention.temperature_scale", "f32", number("llama_4_scaling_beta"));
  },
};

const gemma3: CheckpointArchitecture = {
  name: "gemma3",
  writeConfig(config, write) {
    write("attention.sliding_window", "u32", config.number("sliding_window"));
    const local = asObject(config.object("rope_parameters")?.["sliding_attention"])?.["rope_theta"];
    const base = typeof local === "number" ? local : config.number("rope_local_base_freq");
    write("rope.freq_base_swa", "f32", base);
    writeLayerTypes(config, write);
  },
  outside: OUTSIDE,
  layer: {
    ...LAYER,
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    post_attention_layernorm: "post_attention_norm",
    pre_feedforward_layernorm: "ffn_norm",
    post_feedforward_layernorm: "post_ffw_norm",
  },
  paired: false,
  normsFrom: 1,
};

const bert: CheckpointArchitecture = {
  name: "bert",
  writeConfig(config, write) {
    write("attention.layer_norm_epsilon", "f32", config.required("layer_norm_eps"));
    write("attention.causal", "bool", false);
  },
  outside: {
    "embeddings.word_embeddings": "token_embd",
    "embeddings.position_embeddings": "position_embd",
    "embeddings.token_type_embeddings": "token_types",
    "embeddings.LayerNorm": "token_embd_norm",
  },
  layer: {
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
  },
  paired: false,
};

/** By the first of `architectures` in `config.json`. */
export const CHECKPOINT_ARCHITECTURES: ReadonlyMap<string, CheckpointArchitecture> = new Map([
  ["LlamaForCausalLM", llama],
  ["MistralForCausalLM", llama],
  ["MixtralForCausalLM", mixtral],
  ["MinistralForCausalLM", ministral],
  ["Ministral3ForCausalLM", ministral3],
  ["Qwen2ForCausalLM", qwen2],
  ["Gemma3ForCausalLM", gemma3],
  ["BertModel", bert],
]);

/**
 * Tensors that can be computed again and that some checkpoints hold all the same; and BERT's pooler, which its
 * training asked whether one sentence follows another, and nobody who embeds.
 */
export const REDUNDANT: RegExp = /rotary_emb\.inv_freq$|position_ids$|^(?:bert\.)?pooler\./;
