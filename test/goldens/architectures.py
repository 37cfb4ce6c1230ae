"""Goldens of every architecture, computed by transformers in float32: `python architectures.py > architectures.json`.

A case is a small checkpoint of random weights, a prompt, the logits after it and the 64 tokens that follow
greedily. Weights are not kept: each tensor is made from its name in the GGUF file alone, here (`values.py`) and in
`cases.ts` by the same integers, so that both have the same bits. Needs `pip install torch transformers`; the
committed file was made with torch 2.15.0 and transformers 5.24.0.
"""

import json
import math
import sys

import numpy as np
import torch
import transformers as tf

from values import values

VOCAB = 160
PROMPT = [(7 * i * i + 3 * i + 1) % VOCAB for i in range(23)]
GREEDY = 64


# What is read of a configuration; the rest is about training, or about nothing.
KEYS = """vocab_size hidden_size intermediate_size num_hidden_layers num_attention_heads num_key_value_heads head_dim
max_position_embeddings rms_norm_eps layer_norm_eps tie_word_embeddings sliding_window use_sliding_window
max_window_layers layer_types rope_parameters""".split()


class Case:
    """A checkpoint as GGUF has it, and the network that transformers makes of it."""

    def __init__(self, name: str, architecture: str, model: torch.nn.Module, fields: dict, paired: bool = True):
        self.name, self.architecture, self.model = name, architecture, model.float().eval()
        self.fields, self.paired, self.tensors, self.made = fields, paired, [], {}
        self.parameters: dict[str, str] = {}

    def put(self, gguf: str, parameter: str, kind: str, shape: list[int] | None = None, heads: int = 0) -> None:
        """Give a parameter the values of a tensor; `heads` where its rows are interleaved in the file."""
        target = self.model.get_parameter(parameter)
        data = values(gguf, shape or list(target.shape), kind)
        self.tensors.append([gguf, list(data.shape), kind])
        self.parameters[gguf] = parameter
        if heads and self.paired:
            rows = data.shape[0] // heads
            data = data.reshape(heads, rows // 2, 2, *data.shape[1:]).swapaxes(1, 2).reshape(data.shape)
        if self.architecture == "gemma3" and kind == "norm":
            data = data - np.float32(1)
        with torch.no_grad():
            target.copy_(torch.from_numpy(np.ascontiguousarray(data)).reshape(target.shape))
        self.made[parameter] = True

    def checked(self) -> None:
        """Nothing may be left as transformers initialised it."""
        left = [name for name, _ in self.model.named_parameters() if name not in self.made]
        assert not left, left

    def decoder(self, gemma: bool = False) -> "Case":
        """The tensors that decoders have."""
        config = self.model.config
        tied = config.tie_word_embeddings
        # Smaller, lest what was embedded last is always the likeliest.
        kind = "scaled embedding" if gemma else "tied embedding" if tied else "embedding"
        self.put("token_embd.weight", "model.embed_tokens.weight", kind)
        self.put("output_norm.weight", "model.norm.weight", "norm")
        if not tied:
            self.put("output.weight", "lm_head.weight", "head")
        for i in range(config.num_hidden_layers):
            g, p = f"blk.{i}.", f"model.layers.{i}."
            self.put(g + "attn_norm.weight", p + "input_layernorm.weight", "norm")
            for part, heads in (("q", config.num_attention_heads), ("k", config.num_key_value_heads), ("v", 0)):
                self.put(g + f"attn_{part}.weight", p + f"self_attn.{part}_proj.weight", "matrix", heads=heads)
                if self.has(p + f"self_attn.{part}_proj.bias"):
                    self.put(g + f"attn_{part}.bias", p + f"self_attn.{part}_proj.bias", "bias", heads=heads)
            self.put(g + "attn_output.weight", p + "self_attn.o_proj.weight", "matrix")
            if self.has(p + "self_attn.o_proj.bias"):
                self.put(g + "attn_output.bias", p + "self_attn.o_proj.bias", "bias")
            if gemma:
                self.put(g + "attn_q_norm.weight", p + "self_attn.q_norm.weight", "norm")
                self.put(g + "attn_k_norm.weight", p + "self_attn.k_norm.weight", "norm")
                self.put(g + "post_attention_norm.weight", p + "post_attention_layernorm.weight", "norm")
                self.put(g + "ffn_norm.weight", p + "pre_feedforward_layernorm.weight", "norm")
                self.put(g + "post_ffw_norm.weight", p + "post_feedforward_layernorm.weight", "norm")
            else:
                self.put(g + "ffn_norm.weight", p + "post_attention_layernorm.weight", "norm")
            if self.has(p + "mlp.gate_proj.weight"):
                for part in ("gate", "up", "down"):
                    self.put(g + f"ffn_{part}.weight", p + f"mlp.{part}_proj.weight", "matrix")
            else:
                self.experts(g, p, config)
        self.checked()
        return self

    def experts(self, g: str, p: str, config) -> None:
        count, dim, hidden = config.num_local_experts, config.hidden_size, config.intermediate_size
        self.put(g + "ffn_gate_inp.weight", p + "mlp.gate.weight", "matrix")
        gate, up = (values(g + f"ffn_{part}_exps.weight", [count, hidden, dim], "matrix") for part in ("gate", "up"))
        for part in ("gate", "up"):
            self.tensors.append([g + f"ffn_{part}_exps.weight", [count, hidden, dim], "matrix"])
        both = self.model.get_parameter(p + "mlp.experts.gate_up_proj")
        with torch.no_grad():
            both.copy_(torch.from_numpy(np.concatenate([gate, up], axis=1)).reshape(both.shape))
        self.made[p + "mlp.experts.gate_up_proj"] = True
        self.put(g + "ffn_down_exps.weight", p + "mlp.experts.down_proj", "matrix", [count, dim, hidden])

    def has(self, parameter: str) -> bool:
        return any(name == parameter for name, _ in self.model.named_parameters())

    def metadata(self) -> dict:
        return {"general.architecture": self.architecture, "general.name": self.name} | {
            f"{self.architecture}.{key}": value for key, value in self.fields.items()
        }

    def checkpoint(self) -> dict:
        """What `config.json` says, and what tensors are called in a checkpoint."""
        config = self.model.config.to_dict()
        kept = {key: config[key] for key in KEYS if config.get(key) is not None}
        return {
            "config": {"architectures": [type(self.model).__name__]} | kept,
            "parameters": self.parameters,
        }

    def golden(self, prompt: list[int] = PROMPT) -> dict:
        """Computed anew from the whole text for each token: no cache can be wrong."""
        tokens = list(prompt)
        with torch.no_grad():
            first = logits = self.model(torch.tensor([tokens]), use_cache=False).logits[0, -1]
            margin = math.inf
            for _ in range(GREEDY):
                best = torch.topk(logits, 2).values
                margin = min(margin, float(best[0] - best[1]))
                tokens.append(int(logits.argmax()))
                logits = self.model(torch.tensor([tokens]), use_cache=False).logits[0, -1]
        return {
            "name": self.name,
            "metadata": self.metadata(),
            **self.checkpoint(),
            "tensors": self.tensors,
            "prompt": prompt,
            "logits": [float(f"{x:.7g}") for x in first],
            "greedy": tokens[len(prompt) :],
            "margin": float(f"{margin:.3g}"),
        }


def sizes(**more) -> dict:
    """A configuration of transformers."""
    return {
        "vocab_size": VOCAB,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": False,
        "attn_implementation": "eager",
    } | more


def fields(head: int = 16, **more) -> dict:
    """The same in GGUF's words."""
    usual = {
        "embedding_length": 64,
        "feed_forward_length": 96,
        "block_count": 3,
        "attention.head_count": 4,
        "attention.head_count_kv": 2,
        "attention.key_length": head,
        "attention.value_length": head,
        "context_length": 256,
        "attention.layer_norm_rms_epsilon": 1e-5,
        "rope.freq_base": 10000.0,
    }
    return usual | {key.replace("__", "."): value for key, value in more.items()}


def theta(base: float, **more) -> dict:
    return {"rope_theta": base, "rope_type": "default"} | more


def llama3() -> dict:
    """Llama 3's scaling, which its files hold as divisors of the frequencies."""
    scaling = theta(
        50000.0,
        rope_type="llama3",
        factor=8.0,
        low_freq_factor=1.0,
        high_freq_factor=4.0,
        original_max_position_embeddings=32,
    )
    config = tf.LlamaConfig(**sizes(head_dim=16, rope_parameters=scaling, tie_word_embeddings=True))
    model = tf.LlamaForCausalLM(config)
    case = Case("llama3", "llama", model, fields(rope__freq_base=50000.0)).decoder()
    plain = 50000.0 ** (-torch.arange(0, 16, 2, dtype=torch.float64) / 16)
    divisors = (plain / model.model.rotary_emb.inv_freq.double()).float()
    golden = case.golden()
    golden["tensors"].append(["rope_freqs.weight", [8], [float(x) for x in divisors]])
    return golden


def mistral(name: str, window: int | None, head: int = 16, scaling: dict | None = None, **more) -> dict:
    config = tf.MistralConfig(**sizes(head_dim=head, sliding_window=window, rope_parameters=scaling or theta(10000.0)))
    model = tf.MistralForCausalLM(config)
    return Case(name, "llama", model, fields(head, **more)).decoder().golden()


def ministral() -> dict:
    """Some layers see all, the others a window."""
    windowed = [True, False, True]
    kinds = ["sliding_attention" if each else "full_attention" for each in windowed]
    config = tf.MinistralConfig(**sizes(head_dim=16, sliding_window=5, layer_types=kinds, rope_parameters=theta(10000.0)))
    more = fields(attention__sliding_window=5, attention__sliding_window_pattern=windowed)
    return Case("ministral", "llama", tf.MinistralForCausalLM(config), more).decoder().golden()


def mistral3() -> dict:
    """YaRN whose sharpening is taken back, and queries that grow with the position."""
    scaling = theta(
        10000.0,
        rope_type="yarn",
        factor=4.0,
        original_max_position_embeddings=16,
        beta_fast=32.0,
        beta_slow=1.0,
        mscale=1.0,
        mscale_all_dim=1.0,
        llama_4_scaling_beta=0.1,
    )
    config = tf.Ministral3Config(**sizes(head_dim=16, rope_parameters=scaling))
    more = fields(
        rope__scaling__type="yarn",
        rope__scaling__factor=4.0,
        rope__scaling__original_context_length=16,
        rope__scaling__yarn_log_multiplier=1.0,
        attention__temperature_scale=0.1,
    )
    return Case("mistral3", "mistral3", tf.Ministral3ForCausalLM(config), more).decoder().golden()


def mixtral() -> dict:
    config = tf.MixtralConfig(
        **sizes(head_dim=16, num_local_experts=5, num_experts_per_tok=2, sliding_window=9, rope_parameters=theta(10000.0))
    )
    more = fields(expert_count=5, expert_used_count=2, attention__sliding_window=9)
    return Case("mixtral", "llama", tf.MixtralForCausalLM(config), more).decoder().golden()


def qwen2(tied: bool) -> dict:
    config = tf.Qwen2Config(**sizes(rope_parameters=theta(1000000.0), tie_word_embeddings=tied, use_sliding_window=False))
    more = fields(rope__freq_base=1000000.0)
    return Case("qwen2-tied" if tied else "qwen2", "qwen2", tf.Qwen2ForCausalLM(config), more, False).decoder().golden()


def gemma3(name: str, factor: float | None) -> dict:
    """Seven layers, of which the sixth sees all; heads wider than their share."""
    scaling = theta(1000000.0) if factor is None else theta(1000000.0, rope_type="linear", factor=factor)
    config = tf.Gemma3TextConfig(
        **sizes(
            num_hidden_layers=7,
            head_dim=24,
            sliding_window=8,
            query_pre_attn_scalar=24,
            tie_word_embeddings=True,
            rms_norm_eps=1e-6,
            layer_types=["full_attention" if i % 6 == 5 else "sliding_attention" for i in range(7)],
            rope_parameters={"full_attention": scaling, "sliding_attention": theta(10000.0)},
        )
    )
    more = fields(
        24,
        block_count=7,
        attention__sliding_window=8,
        attention__layer_norm_rms_epsilon=1e-6,
        rope__freq_base=1000000.0,
        **({} if factor is None else {"rope__scaling__type": "linear", "rope__scaling__factor": factor}),
    )
    return Case(name, "gemma3", tf.Gemma3ForCausalLM(config), more, False).decoder(gemma=True).golden()


def bert() -> dict:
    """An encoder: the states of all tokens, of which each has seen every other."""
    config = tf.BertConfig(
        vocab_size=VOCAB,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=32,
        layer_norm_eps=1e-12,
        hidden_act="gelu",
        attn_implementation="eager",
    )
    model = tf.BertModel(config, add_pooling_layer=False)
    more = {
        "embedding_length": 64,
        "feed_forward_length": 96,
        "block_count": 3,
        "attention.head_count": 4,
        "context_length": 32,
        "attention.layer_norm_epsilon": 1e-12,
        "attention.causal": False,
        "pooling_type": 1,
    }
    case = Case("bert", "bert", model, more)

    def linear(gguf: str, parameter: str) -> None:
        case.put(gguf + ".weight", parameter + ".weight", "matrix")
        case.put(gguf + ".bias", parameter + ".bias", "bias")

    def norm(gguf: str, parameter: str) -> None:
        case.put(gguf + ".weight", parameter + ".weight", "norm")
        case.put(gguf + ".bias", parameter + ".bias", "bias")

    for name, gguf in (("word", "token_embd"), ("position", "position_embd"), ("token_type", "token_types")):
        case.put(gguf + ".weight", f"embeddings.{name}_embeddings.weight", "embedding")
    norm("token_embd_norm", "embeddings.LayerNorm")
    for i in range(3):
        g, p = f"blk.{i}.", f"encoder.layer.{i}."
        for part, name in (("q", "query"), ("k", "key"), ("v", "value")):
            linear(g + f"attn_{part}", p + f"attention.self.{name}")
        linear(g + "attn_output", p + "attention.output.dense")
        norm(g + "attn_output_norm", p + "attention.output.LayerNorm")
        linear(g + "ffn_up", p + "intermediate.dense")
        linear(g + "ffn_down", p + "output.dense")
        norm(g + "layer_output_norm", p + "output.LayerNorm")
    case.checked()
    with torch.no_grad():
        states = model(torch.tensor([PROMPT])).last_hidden_state[0]
    return {
        "name": "bert",
        "metadata": case.metadata(),
        **case.checkpoint(),
        "tensors": case.tensors,
        "prompt": PROMPT,
        "states": [float(f"{x:.7g}") for x in states.flatten()],
    }


def main() -> None:
    torch.manual_seed(0)
    yarn = theta(
        10000.0,
        rope_type="yarn",
        factor=4.0,
        original_max_position_embeddings=32,
        beta_fast=32.0,
        beta_slow=1.0,
    )
    goldens = [
        mistral("mistral", 8, attention__sliding_window=8),
        mistral("nemo", None, head=24),
        mistral(
            "mistral-yarn",
            None,
            scaling=yarn,
            rope__scaling__type="yarn",
            rope__scaling__factor=4.0,
            rope__scaling__original_context_length=32,
        ),
        llama3(),
        ministral(),
        mistral3(),
        mixtral(),
        qwen2(tied=False),
        qwen2(tied=True),
        gemma3("gemma3", None),
        gemma3("gemma3-scaled", 8.0),
    ]
    encoders = [bert()]
    for golden in goldens:
        print(golden["name"], golden["margin"], max(golden["logits"]), file=sys.stderr)
    versions = {"torch": torch.__version__.split("+")[0], "transformers": tf.__version__}

    def lines(cases: list[dict]) -> str:
        return ",\n".join(json.dumps(each) for each in cases)

    print(f'{{"versions": {json.dumps(versions)},')
    print(f'"cases": [\n{lines(goldens)}\n],')
    print(f'"encoders": [\n{lines(encoders)}\n]}}')


main()
