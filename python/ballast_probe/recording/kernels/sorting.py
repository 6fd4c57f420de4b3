"""Sorting, and the largest of many."""

from __future__ import annotations

from collections.abc import Iterable

from .base import Back, Launch, NotModelled, Step, kernel
from .indexing import sort_pairs_bytes

_SORTED_IN_A_BLOCK = 4_096
_FEW_TO_CHOOSE_FROM = 400


@kernel("aten::sort", "aten::argsort", source=(
    "aten/src/ATen/native/cuda/SortStable.cu: segmented_sort_large_segments"))
def _sort(launch: Launch) -> Iterable[Step]:
    """One row of many is sorted whole: places as they were, and what cub takes."""
    tensor = launch.first
    axis = launch.argument(1, "dim", -1)
    count = tensor.shape[axis] if tensor.dim() else 1
    if count <= _SORTED_IN_A_BLOCK:
        return []
    if count != tensor.numel() or not tensor.is_contiguous():
        raise NotModelled
    size = tensor.element_size()
    return [8 * count, sort_pairs_bytes(count, 8 * size, size), Back(1)]


@kernel("aten::topk", source=(
    "aten/src/ATen/native/cuda/TensorTopK.cu: should_use_multiblock"))
def _topk(launch: Launch) -> Iterable[Step]:
    """A block chooses among few; several blocks among many."""
    tensor = launch.first
    axis = launch.argument(2, "dim", -1)
    if tensor.dim() and tensor.shape[axis] >= _FEW_TO_CHOOSE_FROM:
        raise NotModelled
    return []
