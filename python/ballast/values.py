"""Whether tensors have values, or are shapes alone, as where a step's memory is recorded."""

from __future__ import annotations

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor


def are_known(*tensors: Tensor | None) -> bool:
    return not any(isinstance(tensor, FakeTensor) or (tensor is not None and tensor.is_meta)
                   for tensor in tensors)


def all_true(tensor: Tensor) -> bool:
    """Whether every element is; False where that is not known."""
    return are_known(tensor) and bool(torch.all(tensor != 0))
