"""cuDNN's attention: when PyTorch chooses it, and what it takes that is known."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from ballast_probe.recording import step
from ballast_probe.recording.gpus import gpu_of
from ballast_probe.recording.rules.attention import Question, chosen
from ballast_probe.recording.stream import Role

from conftest import made, on_gpu

_FORWARD = "_scaled_dot_product_cudnn_attention"
_BACKWARD = f"{_FORWARD}_backward"


def _ask(width: int = 64, value_width: int | None = None, rows: int = 128, columns: int = 128,
         dropout: float = 0.0, heads: tuple[int, int] = (4, 4), mask: tuple[int, ...] = (),
         capability: tuple[int, int] = (9, 0), dtype: torch.dtype = torch.bfloat16) -> str:
    def make(*shape: int) -> torch.Tensor:
        return torch.empty(shape, dtype=dtype, device="meta")

    return chosen(Question(
        make(2, heads[0], rows, width), make(2, heads[1], columns, width),
        make(2, heads[1], columns, value_width or width), make(*mask) if mask else None, dropout,
        False, heads[0] != heads[1], capability), "auto")


@pytest.mark.parametrize("ask, backend", [
    ({}, "cudnn"), ({"capability": (10, 0)}, "cudnn"), ({"capability": (10, 3)}, "cudnn"),
    ({"capability": (8, 0)}, "flash"), ({"capability": (12, 0)}, "flash"),
    ({"heads": (8, 2)}, "cudnn"), ({"dtype": torch.float32}, "efficient"),
    ({"width": 256}, "cudnn"), ({"width": 256, "capability": (10, 0)}, "flash"),
    ({"width": 192, "value_width": 128, "capability": (10, 0)}, "cudnn"),
    ({"width": 192, "value_width": 64, "capability": (10, 0)}, "efficient"),
    ({"width": 36}, "flash"), ({"columns": 1}, "flash"),
    # cuDNN draws in sixteenths, and not for a single row.
    ({"dropout": 0.125}, "cudnn"), ({"dropout": 0.1}, "flash"),
    ({"dropout": 0.125, "rows": 1}, "flash"),
    ({"mask": (128, 128)}, "cudnn"), ({"mask": (2, 1, 128, 128)}, "cudnn"),
    ({"mask": (3, 128, 128)}, "efficient"),
])
def test_when_it_is_chosen(ask: dict[str, object], backend: str) -> None:
    assert _ask(**ask) == backend  # type: ignore[arg-type]


def test_when_it_is_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(torch, "are_deterministic_algorithms_enabled", lambda: True)
        assert _ask() == "flash"
    monkeypatch.setenv("TORCH_CUDNN_SDPA_DEPRIORITIZED", "1")
    assert _ask() == "flash"


def _attend(is_trained: bool = True, is_dense: bool = True) -> None:
    query, key, value = (torch.ones(2, heads, 100, 64, device="cuda", dtype=torch.bfloat16,
                                    requires_grad=is_trained) for heads in (4, 2, 2))
    result = functional.scaled_dot_product_attention(query, key, value, is_causal=True,
                                                     enable_gqa=True)
    if is_trained:
        (result.square() if is_dense else result).sum().backward()


def test_its_seeds_lie_on_the_device() -> None:
    rows, size = 2 * 4 * 100, 2
    seeds = [(_FORWARD, 8)] * 2
    assert made(on_gpu(_attend, gpu="h100"), _FORWARD) == [
        *seeds, (_FORWARD, rows * 64 * size), (_FORWARD, rows * 4)]
    without_gradient = made(on_gpu(lambda: _attend(is_trained=False), gpu="h100"), _FORWARD)
    assert without_gradient == [*seeds, (_FORWARD, rows * 64 * size)]


@pytest.mark.parametrize("is_dense", [True, False])
def test_its_backward_sums_in_float32(is_dense: bool) -> None:
    recording = on_gpu(lambda: _attend(is_dense=is_dense), gpu="h100")
    rows, columns = 2 * 4 * 100, 2 * 2 * 100
    copy = [] if is_dense else [rows * 64 * 2]  # of a sum's gradient, which is expanded
    assert [size for _, size in made(recording, _BACKWARD)] == [
        rows * 64 * 2, columns * 64 * 2, columns * 64 * 2, *copy, 4 * rows * (64 + 1)]
    assert [one.role for one in recording.tensors if one.op == f"aten::{_BACKWARD}"][3:] \
        == [Role.TEMPORARY] * (len(copy) + 1)


def test_what_is_missing_is_said() -> None:
    recording = on_gpu(_attend, gpu="h100")
    assert recording.not_modelled == {f"aten::{_FORWARD}": 1, f"aten::{_BACKWARD}": 1}
    assert sum("cuDNN's own plan" in sentence for sentence in recording.assumptions) == 2
    assert not [sentence for sentence in on_gpu(_attend).assumptions if "own plan" in sentence]


def test_a_gpu_of_ones_own() -> None:
    with step(gpu=replace(gpu_of("b200"), compute_capability="10.3")) as recording:
        _attend()
    assert made(recording, _BACKWARD)
