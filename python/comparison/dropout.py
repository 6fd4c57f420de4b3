"""Ballast's counted dropout in PyTorch: which element is dropped follows from its place alone.

The formulas are those of `Sources/Tensors/CounterRandom.swift`, written again from their text.
"""

from __future__ import annotations

import numpy as np
import torch

WORD = (1 << 64) - 1


def mix(z: int) -> int:
    """SplitMix64's output function (Steele et al., OOPSLA 2014)."""
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & WORD
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & WORD
    return z ^ (z >> 31)


def key(seed: int, stream: str) -> int:
    """Where the counter of a stream begins: FNV-1a of its name, mixed with the seed."""
    hashed = 0xCBF29CE484222325
    for byte in stream.encode():
        hashed = (hashed ^ byte) * 0x100000001B3 & WORD
    return mix(seed ^ mix(hashed))


def drawn(start: int, numbers: np.ndarray) -> np.ndarray:
    """The upper 32 of 64 random bits for each number, uint64."""
    with np.errstate(over="ignore"):
        z = np.uint64(start) + numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return (z ^ (z >> np.uint64(31))) >> np.uint64(32)


class CountedDropout(torch.nn.Module):
    """Dropout of `[batch, rows, width]` with the masks that Ballast draws for a linear map's adapter.

    A pass may bring the rows of its sequences in several calls, one after the other.
    """

    def __init__(self, probability: float, module: str, seed: int = 0):
        super().__init__()
        self.probability, self.module = probability, module
        self.key = key(seed, f"dropout.{module}.lora")
        self.count([0], [0], 0, 1, 1)

    def count(self, sequences: list[int], groups: list[int], shared: int, rows: int,
              longest: int) -> None:
        """Says which sequences of the step come: their numbers, and for the first `shared` rows
        those of their groups; how many rows each has, and the longest of the step."""
        self.sequences, self.groups, self.shared = sequences, groups, shared
        self.rows, self.longest, self.first = rows, longest, 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, rows, width = x.shape
        positions = np.arange(self.first, self.first + rows)
        self.first = (self.first + rows) % self.rows
        numbers = np.where(positions[None] < self.shared, np.array(self.groups)[:, None],
                           np.array(self.sequences)[:, None])  # [batch, rows]
        places = (numbers * self.longest + positions[None])[..., None] * width + np.arange(width)
        kept = drawn(self.key, places) >= np.uint64(int(self.probability * 2**32))
        assert kept.shape == (batch, rows, width), (kept.shape, x.shape)
        return x * (torch.from_numpy(kept).to(x.dtype) / (1 - self.probability))


def count_dropouts(model: torch.nn.Module, prefix: str) -> None:
    """Puts counted dropouts in the place of an adapted model's own."""
    for name, module in list(model.named_modules()):
        for adapter, dropout in getattr(module, "lora_dropout", {}).items():
            if isinstance(dropout, torch.nn.Dropout):
                module.lora_dropout[adapter] = CountedDropout(dropout.p, name.removeprefix(prefix))
