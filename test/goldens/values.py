"""Weights of goldens, made from their names alone: the same bits here and in `cases.ts`."""

import math

import numpy as np


def values(name: str, shape: list[int], kind: str) -> np.ndarray:
    """A tensor's values: mulberry32 seeded with FNV-1a of the name, as 24-bit fractions between -1 and 1."""
    seed = 0x811C9DC5
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x01000193) & 0xFFFFFFFF
    count = math.prod(shape)
    with np.errstate(over="ignore"):
        state = np.uint32(seed) + np.uint32(0x6D2B79F5) * np.arange(1, count + 1, dtype=np.uint32)
        mixed = (state ^ (state >> np.uint32(15))) * (state | np.uint32(1))
        mixed ^= mixed + (mixed ^ (mixed >> np.uint32(7))) * (mixed | np.uint32(61))
        mixed ^= mixed >> np.uint32(14)
    fractions = (mixed >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-23) - np.float32(1)
    if kind == "norm":
        return (np.float32(1) + np.float32(0.25) * fractions).reshape(shape)
    # Powers of two, so that the product is exact: activations neither vanish nor grow.
    scale = {"bias": 0.25, "head": 1.0, "embedding": 1.0, "tied embedding": 0.25, "scaled embedding": 0.125}.get(kind, 2.0 ** round(math.log2(2 / math.sqrt(shape[-1]))))
    return (np.float32(scale) * fractions).reshape(shape)
