"""Tensors of two devices in one op, which a GPU refuses."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from ..errors import ProbeError
from .reads import line

# They copy from one to the other, or take indices and states of random numbers from the host.
_MAY_MIX = frozenset(f"aten::{name}" for name in (
    "copy_", "_to_copy", "_copy_from", "set_", "_foreach_copy_", "index", "index_put",
    "index_put_", "_index_put_impl_", "_unsafe_index", "is_same_size", "resize_as_"))


def refuse_mixed(name: str, tensors: Sequence[torch.Tensor],
                 is_on_device: Callable[[torch.Tensor], bool]) -> None:
    """Refuses a call on tensors of the GPU and of the host, numbers without axes aside.

    Raises:
        ProbeError: PyTorch's own words, with the line of the caller's code.
    """
    if name in _MAY_MIX or not name.startswith("aten::") or "attention" in name:
        return
    there = [tensor for tensor in tensors if tensor.dim() > 0]
    if len({is_on_device(tensor) for tensor in there}) > 1:
        raise ProbeError(
            f"{line() or 'the step'} gives {name} tensors of the GPU and of the host; a GPU says: "
            "expected all tensors to be on the same device. Move the model and its data to cuda")
