"""What a function of the step's own puts on its context by hand, wherever it stands there."""

from __future__ import annotations

import dataclasses
import functools
import math
import re
import threading
import types
import warnings
import weakref
from collections import OrderedDict, UserDict, deque
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.checkpoint import CheckpointPolicy

from ballast_probe import ProbeError, record


class _ByHand(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.doubled, ctx.both = x * 2, (x + 1, x + 2)
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        return gradient * ctx.doubled


def test_what_a_function_puts_on_its_context_by_hand_counts() -> None:
    x = torch.randn(7, requires_grad=True) * 1.0
    with record() as probe:
        loss = _ByHand.apply(x).sum()
        probe.boundary(loss)
    assert [saved.storage_bytes for saved in probe.saved] == [28] * 4
    assert [saved.node for saved in probe.saved[1:]] == [
        "_ByHandBackward.doubled", "_ByHandBackward.both", "_ByHandBackward.both"]


@dataclasses.dataclass
class _Record:
    value: object
    extra: object = None


class _Slots:
    __slots__ = ("__value", "unset")

    def __init__(self, value: object) -> None:
        self.__value = value


class _Awkward:
    """Whose own code is not to run."""

    def __init__(self, value: object) -> None:
        object.__getattribute__(self, "__dict__")["value"] = value

    def __getattribute__(self, name: str) -> object:
        raise KeyError(name)


class _OwnList(list[object]):
    def __init__(self, value: object) -> None:
        super().__init__([1])
        self.aside = value


def _deep(value: object) -> object:
    for _ in range(100):
        value = [value]
    return value


def _endless(value: object) -> object:
    found: dict[str, object] = {"value": value}
    found["self"] = [found]
    return found


class _Nested(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, wrap: Callable[[object], object]) -> torch.Tensor:
        ctx.kept = wrap(x * 2)
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        return gradient, None


_WRAPS: list[Callable[[Any], object]] = [
    lambda t: t, lambda t: [t, t], lambda t: {"k": t}, lambda t: [{"k": t}], lambda t: ([t],),
    lambda t: {t}, lambda t: frozenset([t]), lambda t: {(t, 1): 2}, lambda t: deque([t]),
    lambda t: OrderedDict(k=t), lambda t: UserDict(k=t), _Record,
    lambda t: _Record({"k": [_Record(t)]}), _Slots, _Awkward, _OwnList, _endless,
    lambda t: functools.partial(print, t),
    lambda t: functools.partial(print, end=t), lambda t: (lambda: t), lambda t: iter([t]),
    lambda t: (t for _ in range(2)), lambda t: types.SimpleNamespace(t=t),
    lambda t: MappingProxyType({"k": t}), lambda t: {"k": t}.values(), lambda t: [t[:5], t[5:]],
]


@pytest.mark.parametrize("number", range(len(_WRAPS)))
def test_what_a_function_puts_on_its_context_counts_wherever_it_stands(number: int) -> None:
    wrap = _WRAPS[number]
    x = torch.randn(10, requires_grad=True) * 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with record() as probe:
            loss = _Nested.apply(x, wrap).sum()
            probe.boundary(loss)
    assert probe.retained_bytes == 40 and probe.notes == ()
    assert [saved.node for saved in probe.saved] == ["_NestedBackward.kept"]


@pytest.mark.parametrize("wrap, words", [
    (lambda t: {"k": [t.numpy()]}, "numpy.ndarray"), (_deep, "list"),
    (lambda t: [[] for _ in range(30_000)] + [t], "20,000 objects"),
])
def test_what_cannot_be_looked_into_is_said(wrap: Callable[[Any], object], words: str) -> None:
    x = torch.randn(10, requires_grad=True) * 1.0
    with pytest.warns(UserWarning, match="cannot be looked into"), record() as probe:
        one = _Nested.apply(x.detach().requires_grad_(), lambda t: wrap(t.detach()))
        two = _Nested.apply(x.detach().requires_grad_(), lambda t: wrap(t.detach()))
        probe.boundary((one + two).sum())
    assert probe.retained_bytes == 0
    (note,) = probe.notes
    assert "_NestedBackward.kept" in note and words in note and "of 2 functions" in note


def test_what_holds_no_tensor_is_no_matter() -> None:
    """Modules, numbers, groups of processes, optimizers: nothing of the step's, and no note."""
    model = nn.Linear(3, 3)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.randn(2, 3)).sum().backward()
    optimizer.step()
    others = [model, model.forward, optimizer, torch.Generator(), torch.float32, torch.strided,
              torch.preserve_format, torch.ones(2).numpy()[0], object(), _Record(None), _deep,
              re.compile("x"), Path("x"), slice(1), range(3), ..., 1j, ProbeError, math, len,
              torch.ops.aten.add.Tensor, threading.Lock(), b"", memoryview(b"x"),
              weakref.ref(model), torch.Size([2]), torch.device("cpu"), CheckpointPolicy.MUST_SAVE]
    x = torch.randn(10, requires_grad=True)
    with record() as probe:
        loss = _Nested.apply(x, lambda _: others).sum()
        probe.boundary(loss)
    assert probe.saved == [] and probe.notes == ()


def test_tensors_without_memory_count_as_real_ones_do() -> None:
    with FakeTensorMode(), record() as probe:
        x = torch.randn(10, requires_grad=True) * 1.0
        loss = _Nested.apply(x, lambda t: {"k": [t]}).sum()
        probe.boundary(loss)
    assert probe.retained_bytes == 40 and probe.notes == ()


def test_a_model_that_returns_an_object_has_a_graph() -> None:
    """Without a loss the names of nodes are those behind what the model returned."""
    class Returning(nn.Module):
        def forward(self, x: torch.Tensor) -> _Record:
            return _Record({"loss": _ByHand.apply(x)})

    x = torch.randn(7, requires_grad=True) * 1.0
    model = Returning()
    with record(model) as probe:
        output = model(x)
    assert len(probe.saved) == 4 and probe.saved[1].node == "_ByHandBackward.doubled"
    del output
