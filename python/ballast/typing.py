"""Calls that PyTorch leaves untyped."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def apply(function: type[torch.autograd.Function], *arguments: Any) -> Any:
    """Runs an autograd function: its forward pass, and its backward pass where the graph needs it."""
    return function.apply(*arguments)  # type: ignore[no-untyped-call]


def backward(tensor: Tensor, gradient: Tensor | None = None) -> None:
    """Adds the gradients of a tensor's graph to `.grad`."""
    tensor.backward(gradient)  # type: ignore[no-untyped-call]


def split(tensor: Tensor, sizes: int | list[int]) -> tuple[Tensor, ...]:
    """A tensor in parts along its first dimension."""
    return tensor.split(sizes)  # type: ignore[no-any-return, no-untyped-call]
