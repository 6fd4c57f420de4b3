"""Indexing that adds up: indices are sorted, and sorting takes room."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from .base import OUTPUTS, Launch, Step, kernel


def sort_pairs_bytes(count: int) -> int:
    """What cub takes to sort so many pairs of 8-byte keys and values.

    Held against traces for 2,048 and fewer (nothing but an empty allocation) and for 4,096.
    """
    return 1 if count <= 2048 else 72_191


@kernel("aten::index_put", "aten::index_put_", "aten::_index_put_impl_", source=(
    "aten/src/ATen/native/cuda/Indexing.cu: index_put_with_sort_kernel"))
def _index_put(launch: Launch) -> Iterable[Step]:
    if not launch.argument(3, "accumulate", False):
        return []
    indices = [index for index in launch.call.arguments[1] if index is not None]
    size = 8 * indices[0].numel()
    return [size] * 5 + [sort_pairs_bytes(indices[0].numel())]


@kernel("aten::where", source="aten/src/ATen/native/TensorCompare.cpp: where_self_out")
def _where(launch: Launch) -> Iterable[Step]:
    """A number, or a host's tensor of one, is moved to the device first."""
    size = launch.outputs[0].element_size()
    for value in launch.call.arguments[1:3]:
        if not isinstance(value, torch.Tensor) or launch.is_on_host(value):
            yield size
    yield OUTPUTS
