"""What older releases of PyTorch allocate otherwise, for traces that were made with them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode


class _WholeSlice(torch.autograd.Function):
    """x[:], whose backward fills zeros: up to 2.2 each slice of an index had a node of its own."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient.new_zeros(gradient.shape)


class _Indexing(TorchFunctionMode):
    """Gives the whole slices of an index their nodes."""

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (),
                           kwargs: dict[str, Any] | None = None) -> Any:
        if func is not torch.Tensor.__getitem__ or not isinstance(args[1], tuple) \
                or not args[0].requires_grad:
            return func(*args, **(kwargs or {}))
        x, index = args
        whole = [isinstance(one, slice) and one == slice(None) for one in index]
        leading = whole.index(False) if False in whole else len(whole)
        for _ in range(leading):
            x = _WholeSlice.apply(x)  # type: ignore[no-untyped-call]
        x = func(x, index)
        for _ in range(sum(whole) - leading):
            x = _WholeSlice.apply(x)  # type: ignore[no-untyped-call]
        return x


def _in_order(einsum: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """An einsum of two operands that multiplies the first by the second, whatever comes out.

    Since pytorch/pytorch#161755 (2.9) they change places where that makes the result dense.
    """
    def run(equation: str, *operands: Any) -> Tensor:
        given, arrow, wanted = equation.replace(" ", "").partition("->")
        if len(operands) != 2 or not arrow:
            return einsum(equation, *operands)
        left, right = (re.findall(r"\.\.\.|.", one) for one in given.split(","))
        out = re.findall(r"\.\.\.|.", wanted)
        made = sorted(out, key=lambda axis: (axis not in left or axis not in right,
                                             axis not in left))
        whole = einsum(f"{given}->{''.join(made)}", *operands)
        places: dict[str, list[int]] = {}
        for axis in made:  # an ellipsis stands for as many axes as are left
            first = sum(map(len, places.values()))
            count = whole.dim() - len(made) + 1 if axis == "..." else 1
            places[axis] = list(range(first, first + count))
        return whole.permute([place for axis in out for place in places[axis]])

    return run


@contextlib.contextmanager
def two_six() -> Iterator[None]:
    """PyTorch 2.6: the operands of an einsum stay in their order."""
    with mock.patch.object(torch, "einsum", _in_order(torch.einsum)):
        yield


@contextlib.contextmanager
def two_two() -> Iterator[None]:
    """PyTorch 2.2: nodes of whole slices; `trunc_normal_` works in place."""
    def in_place(tensor: Tensor, *_: Any, **__: Any) -> Tensor:
        return tensor

    with mock.patch.object(torch.nn.init, "trunc_normal_", in_place), _Indexing():
        yield
