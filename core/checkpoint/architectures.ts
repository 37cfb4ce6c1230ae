/**
 * What Hugging Face's configurations and tensors are called in a GGUF file, one entry for each family of models, as
 * llama.cpp's converter has it.
 */
import type { MetadataType, MetadataValue } from "../gguf/gguf.ts";
import type { ConfigFields } from "./config-fields.ts";
import type { JsonObject } from "./folder.ts";
import { writeRope, writeTemperature } from "./rope-scaling.ts";
import { windowByLayerNumber, writeWindow } from "./window.ts";

/** Write a key of the architecture: `block_count` becomes `llama.block_count`. Nothing for `undefined`. */
export type KeyWriter = (key: string, type: MetadataType, value: MetadataValue | undefined) => void;

/** One family of checkpoints. */
export interface CheckpointArchitecture {
  /** `general.architecture` of the GGUF file. */
  readonly name: string;
  /** What holds where a configuration is silent; the family's own defaults in Hugging Face's library. */
  readonly defaults?: JsonObject;
  /** What `hidden_act` may be. */
  readonly activation: string;
  /** Write what this family has beyond what all have; gives divisors of the rotation where there are any. */
  readonly writeConfig: (
    config: ConfigFields,
    write: KeyWriter,
    headDim: number,
  ) => Float32Array | undefined;
  /** GGUF's names of the tensors outside of layers, and those within after `blk.N.`, without `.weight`. */
  readonly outside: TensorNames;
  readonly layer: TensorNames;
  /** Tensors that are left out: of parts that see or classify, for models of which only the text's part runs. */
  readonly ignored?: RegExp;
  /**
   * Rows of queries and keys go from halves to pairs: GGUF's rotation of the Llama family turns neighbours, Hugging
   * Face's turns elements half a head apart.
   */
  readonly paired?: true;
  /** Norms are stored as what is added to one, and written as what is multiplied with. */
  readonly normsAddOne?: true;
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

/** The parts by which models of several families see. */
const VISION = /^(?:model\.)?(?:vision_tower|vision_model|multi_modal_projector)\./;

const llama: CheckpointArchitecture = {
  name: "llama",
  activation: "silu",
  writeConfig(config, write, headDim) {
    writeWindow(config, write);
    return writeRope(config, write, headDim);
  },
  outside: OUTSIDE,
  layer: LAYER,
  paired: true,
};

const mixtral: CheckpointArchitecture = {
  ...llama,
  writeConfig(config, write, headDim) {
    write("expert_count", "u32", config.required("num_local_experts"));
    write("expert_used_count", "u32", config.required("num_experts_per_tok"));
    return llama.writeConfig(config, write, headDim);
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

const mistral3: CheckpointArchitecture = {
  ...llama,
  name: "mistral3",
  writeConfig(config, write, headDim) {
    writeTemperature(config, write);
    return llama.writeConfig(config, write, headDim);
  },
  ignored: VISION,
};

const qwen2: CheckpointArchitecture = {
  name: "qwen2",
  activation: "silu",
  writeConfig(config, write, headDim) {
    if (config.flag("use_sliding_window") === true) windowByLayerNumber(config, write);
    return writeRope(config, write, headDim);
  },
  outside: OUTSIDE,
  layer: LAYER,
};

const gemma3: CheckpointArchitecture = {
  name: "gemma3",
  defaults: {
    head_dim: 256,
    max_position_embeddings: 131_072,
    num_attention_heads: 8,
    num_key_value_heads: 4,
    rms_norm_eps: 1e-6,
    rope_theta: 1_000_000,
    sliding_window: 4096,
  },
  activation: "gelu_pytorch_tanh",
  writeConfig(config, write, headDim) {
    writeWindow(config, write);
    const pattern = config.number("sliding_window_pattern");
    if (config.raw("layer_types") === undefined) {
      write("attention.sliding_window_pattern", "u32", pattern);
    }
    write("rope.freq_base_swa", "f32", config.number("rope_local_base_freq"));
    const scalar = config.number("query_pre_attn_scalar") ?? headDim;
    if (scalar !== headDim) write("attention.scale", "f32", 1 / Math.sqrt(scalar));
    write("final_logit_softcapping", "f32", config.number("final_logit_softcapping"));
    write("attn_logit_softcapping", "f32", config.number("attn_logit_softcapping"));
    return writeRope(config, write, headDim);
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
  ignored: VISION,
  normsAddOne: true,
};

const bert: CheckpointArchitecture = {
  name: "bert",
  activation: "gelu",
  writeConfig(config, write) {
    write("attention.causal", "bool", false);
    write("attention.layer_norm_epsilon", "f32", config.number("layer_norm_eps") ?? 1e-12);
    return undefined;
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
  ignored: /^(?:bert\.)?(?:pooler|cls)\./,
};

/** By the first of `architectures` in `config.json`. */
export const CHECKPOINT_ARCHITECTURES: ReadonlyMap<string, CheckpointArchitecture> = new Map([
  ["LlamaForCausalLM", llama],
  ["MistralForCausalLM", llama],
  ["MinistralForCausalLM", llama],
  ["MixtralForCausalLM", mixtral],
  ["Mistral3ForConditionalGeneration", mistral3],
  ["Ministral3ForCausalLM", mistral3],
  ["Qwen2ForCausalLM", qwen2],
  ["Gemma3ForCausalLM", gemma3],
  ["Gemma3ForConditionalGeneration", gemma3],
  ["BertModel", bert],
  ["BertForMaskedLM", bert],
]);

/** Tensors that can be computed again and that some checkpoints hold all the same. */
export const REDUNDANT: RegExp = /rotary_emb\.inv_freq$|position_ids$/;
