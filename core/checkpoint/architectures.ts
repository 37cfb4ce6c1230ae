/**
 * What Hugging Face's configurations and tensors are called in a GGUF file, one entry for each family of models, as
 * llama.cpp's converter has it.
 */
import type { MetadataType, MetadataValue } from "../gguf/gguf.ts";
import type { ConfigFields } from "./config-fields.ts";

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

/** By the first of `architectures` in `config.json`. */
export const CHECKPOINT_ARCHITECTURES: ReadonlyMap<string, CheckpointArchitecture> = new Map([
  ["LlamaForCausalLM", llama],
  ["MistralForCausalLM", llama],
  ["MixtralForCausalLM", mixtral],
]);

/** Tensors that can be computed again and that some checkpoints hold all the same. */
export const REDUNDANT: RegExp = /rotary_emb\.inv_freq$|position_ids$/;
