"""Recorded runs of others: their model states in closed form, and what rows are made of."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from published.cases import CASES
from reproduction.peaks import NUMBER, SCORES, groups
from reproduction.program import RECORDINGS, Program, Replayed
from reproduction.rows import holds

WIDTH, LAYERS, POSITIONS, VOCABULARY, RANKS = 512, 12, 1024, 50304, 8
PARAMETERS = (WIDTH * (VOCABULARY + POSITIONS + 2)
              + LAYERS * (12 * WIDTH**2 + 13 * WIDTH))  # tied; weights, biases, two norms a layer
WORKSPACE = 32 << 20  # cuBLAS's, of CUBLAS_WORKSPACE_CONFIG=:4096:8; forward's and backward's


def alive(name: str) -> list[int]:
    """The bytes of what a recording ends with, in the order of allocation."""
    with gzip.open(RECORDINGS / f"{name}.json.gz") as file:
        values: dict[str, Any] = json.load(file)
    held: dict[int, int] = {}
    for event in values["events"]:
        if event >= 0:
            held[event] = values["tensors"]["bytes"][event]
        else:
            del held[-event - 1]
    return list(held.values())


@pytest.mark.parametrize(("name", "states"), [
    # Weights; gradients; the rank's part of float32 weights and of both moments.
    ("megatron-bf16-2", [2 * PARAMETERS, 4 * PARAMETERS, *3 * [4 * PARAMETERS // RANKS]]),
    # Gradients are float16, and the rank's part of them is float32 once more.
    ("megatron-fp16-4", [2 * PARAMETERS, 2 * PARAMETERS, *4 * [4 * PARAMETERS // RANKS]]),
    ("megatron-fp16-2", [2 * PARAMETERS, 2 * PARAMETERS, *2 * [4 * PARAMETERS // RANKS]]),
])
def test_what_stands_between_megatrons_steps(name: str, states: list[int]) -> None:
    sizes = [size for size in alive(name) if size > NUMBER]
    assert sorted(sizes) == sorted([*states, SCORES, WORKSPACE, WORKSPACE])


def test_what_peft_trains() -> None:
    weights = 2 * 3_212_749_824  # Llama 3.2 3B in bfloat16, as the benchmark counts it
    adapter = 9_175_040
    sizes = alive("metamath-lora")
    logits = 2 * 4 * 768 * 128_256
    states = weights + 16 * adapter  # float32: itself, its gradient, two moments
    assert 0 <= sum(sizes) - states - logits < logits  # and what the loss was made of


def test_every_recording_can_be_made_again() -> None:
    assert {f"{name}.json.gz" for name in CASES} == {file.name for file in RECORDINGS.iterdir()}


class Given(Program):
    def __init__(self, **figures: int) -> None:
        self.figures = figures

    def replayed(self, name: str) -> Replayed:
        return Replayed(peak=self.figures["peak"], standing=self.figures["standing"],
                        reserved=self.figures["reserved"], command=f"ballast allocator {name}")


def test_rows_are_made_of_the_replayed_figures() -> None:
    found = groups(Given(peak=1, standing=2, reserved=3))
    assert {row.ours for group in found for row in group.rows} == {1, 2, 3}
    assert not holds(found)
    assert all(row.how == "recorded" and row.commands for group in found for row in group.rows)
