"""Copies and texts of tensors that have shapes alone, which PyTorch makes of their memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from unittest import mock

import torch
from torch._subclasses.fake_tensor import FakeTensor

from .reads import Reads


@contextlib.contextmanager
def copying(reads: Reads) -> Iterator[None]:
    """Lets `copy.deepcopy` copy fake tensors, and a text have one as a value that is read."""

    def copied(tensor: torch.Tensor, memo: dict[int, Any]) -> torch.Tensor:
        if id(tensor) in memo:
            found: torch.Tensor = memo[id(tensor)]
            return found
        if not tensor.is_leaf:
            raise RuntimeError("Only Tensors created explicitly by the user (graph leaves) support "
                               "the deepcopy protocol at the moment")
        with torch.no_grad():
            made = tensor.detach().clone()
        if isinstance(tensor, torch.nn.Parameter):
            made = torch.nn.Parameter(made, requires_grad=tensor.requires_grad)
        elif tensor.requires_grad:
            made.requires_grad_()
        if tensor.grad is not None:
            made.grad = copied(tensor.grad, memo)
        memo[id(tensor)] = made
        return made

    def text(tensor: torch.Tensor, form: str) -> str:
        if tensor.dim() > 0 or not form:
            return object.__format__(tensor, form)
        return format(reads.answer(torch.Tensor.item), form)

    with mock.patch.object(FakeTensor, "__deepcopy__", copied, create=True), \
            mock.patch.object(FakeTensor, "__format__", text, create=True):
        yield
