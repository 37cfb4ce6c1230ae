"""Goldens of adapters: `python lora.py > lora.json`. Needs numpy; the committed file was made with 2.4.6.

The model is `nemo` of `architectures.json`, whose logits PyTorch computed: this forward pass in float64 has to give
them before it is believed. It knows nothing of caches, batches or GGUF's order of rows: tensors are as Hugging Face
has them, and an adapter is added to each weight as PEFT merges it, W + alpha / rank * B A.
"""

import json
import sys
from pathlib import Path

import numpy as np

from values import values

CASE = next(
    case
    for case in json.loads(Path(__file__).with_name("architectures.json").read_text())["cases"]
    if case["name"] == "nemo"
)
FIELDS = {key.removeprefix("llama."): value for key, value in CASE["metadata"].items()}
HEADS, KV_HEADS, HEAD = FIELDS["attention.head_count"], FIELDS["attention.head_count_kv"], FIELDS["attention.key_length"]
LAYERS, EPS, THETA = FIELDS["block_count"], FIELDS["attention.layer_norm_rms_epsilon"], FIELDS["rope.freq_base"]
GREEDY = 24

# What each changes, its rank and its alpha, as PEFT's configuration has them.
ADAPTERS = {
    "attention": {"modules": ["attn_q", "attn_k", "attn_v", "attn_output"], "rank": 4, "alpha": 8},
    "all": {
        "modules": ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"],
        "rank": 7,
        "alpha": 3.5,
    },
}


def halves(matrix: np.ndarray) -> np.ndarray:
    """Rows of heads in Hugging Face's order: GGUF has what rotates together side by side."""
    heads = matrix.reshape(-1, HEAD // 2, 2, matrix.shape[-1])
    return heads.swapaxes(1, 2).reshape(matrix.shape)


def rotated(name: str, matrix: np.ndarray) -> np.ndarray:
    return halves(matrix) if "attn_q" in name or "attn_k" in name else matrix


def merged(uses: dict[str, float]) -> dict[str, np.ndarray]:
    """The weights with so much of each adapter in them."""
    weights = {}
    for name, shape, kind in CASE["tensors"]:
        weight = rotated(name, values(name, shape, kind)).astype(np.float64)
        for adapter, scale in uses.items():
            given = ADAPTERS[adapter]
            if name.split(".")[-2] not in given["modules"]:
                continue
            down, up = factors(adapter, name, shape)
            weight = weight + scale * given["alpha"] / given["rank"] * rotated(name, up).astype(np.float64) @ down
        weights[name] = weight
    return weights


def factors(adapter: str, name: str, shape: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """A and B as they are in GGUF, whose rows of B are in the order of the weight's."""
    rank = ADAPTERS[adapter]["rank"]
    down = values(f"{adapter} {name}.lora_a", [rank, shape[1]], "matrix")
    return down, values(f"{adapter} {name}.lora_b", [shape[0], rank], "factor")


def norm(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + EPS) * weight


def rope(x: np.ndarray) -> np.ndarray:
    """Turn elements half a head apart of x[rows, heads, head]."""
    angles = np.arange(x.shape[0])[:, None] * THETA ** (-np.arange(0, HEAD, 2) / HEAD)
    cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]
    first, second = x[..., : HEAD // 2], x[..., HEAD // 2 :]
    return np.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)


def logits(weights: dict[str, np.ndarray], tokens: list[int]) -> np.ndarray:
    """Of the last token, computed from the whole text."""
    x = weights["token_embd.weight"][tokens]
    rows = len(tokens)
    for i in range(LAYERS):
        layer = {name.removeprefix(f"blk.{i}.")[: -len(".weight")]: w for name, w in weights.items() if name.startswith(f"blk.{i}.")}
        h = norm(x, layer["attn_norm"])
        q = rope((h @ layer["attn_q"].T).reshape(rows, HEADS, HEAD))
        k = rope((h @ layer["attn_k"].T).reshape(rows, KV_HEADS, HEAD))
        v = (h @ layer["attn_v"].T).reshape(rows, KV_HEADS, HEAD)
        k, v = (np.repeat(each, HEADS // KV_HEADS, axis=1) for each in (k, v))
        scores = np.einsum("ihd,jhd->hij", q, k) / np.sqrt(HEAD)
        scores = np.where(np.tri(rows, dtype=bool), scores, -np.inf)
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        shares /= shares.sum(-1, keepdims=True)
        x = x + np.einsum("hij,jhd->ihd", shares, v).reshape(rows, -1) @ layer["attn_output"].T
        h = norm(x, layer["ffn_norm"])
        gate = h @ layer["ffn_gate"].T
        x = x + (gate / (1 + np.exp(-gate)) * (h @ layer["ffn_up"].T)) @ layer["ffn_down"].T
    return norm(x[-1], weights["output_norm.weight"]) @ weights["output.weight"].T


def golden(uses: dict[str, float]) -> dict:
    weights = merged(uses)
    tokens = list(CASE["prompt"])
    first = found = logits(weights, tokens)
    margin = np.inf
    for _ in range(GREEDY):
        best = np.sort(found)[-2:]
        margin = min(margin, best[1] - best[0])
        tokens.append(int(found.argmax()))
        found = logits(weights, tokens)
    return {
        "uses": [{"name": name, "scale": scale} for name, scale in uses.items()],
        "logits": [float(f"{x:.7g}") for x in first],
        "greedy": tokens[len(CASE["prompt"]) :],
        "margin": float(f"{margin:.3g}"),
    }


alone = golden({})
error = np.abs(np.array(alone["logits"]) - CASE["logits"]).max()
assert error < 1e-4 and alone["greedy"] == CASE["greedy"][:GREEDY], error
print(f"without adapters off by {error:.2g} of what PyTorch computed", file=sys.stderr)
cases = [golden(uses) for uses in ({"attention": 1}, {"all": 1}, {"all": -0.5}, {"attention": 1, "all": 0.25})]
json.dump({"model": CASE["name"], "adapters": ADAPTERS, "cases": cases}, sys.stdout)
print()
