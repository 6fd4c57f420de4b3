"""Sorting, and the largest of many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch

from ..gpus import GPU
from .base import OUTPUTS, Back, Launch, NotModelled, Step, kernel, up
from .cub import scan_by_key_bytes, segmented_sort_bytes, sort_bytes

_SORTED_IN_A_BLOCK = 4_096
_LONG_ROW = 1_000_000
_MANY_ROWS = 128
_PLACE = 8  # bytes of a place, and of a place with its row


@kernel("aten::sort", "aten::argsort", source=(
    "aten/src/ATen/native/cuda/Sort.cpp: sort_cuda_kernel; Sort.h: should_use_small_sort; "
    "SortStable.cu: do_launch_stable_sort_kernel"))
def _sort(launch: Launch) -> Iterable[Step]:
    """Short rows take a range of places; long ones copies in order, and what cub takes."""
    tensor = launch.first
    yield OUTPUTS
    if tensor.dim() == 0 or tensor.numel() == 0:
        return
    axis = _axis(launch)
    count, length = tensor.numel(), tensor.shape[axis]
    if length <= _SORTED_IN_A_BLOCK:
        yield _PLACE * length
        return
    if count >= 1 << 31:
        raise NotModelled
    size = tensor.element_size()
    copies: list[int] = []
    if not (tensor.is_non_overlapping_and_dense() and tensor.stride(axis) == 1):
        copies = [size * count]
        if launch.outputs[0].stride(axis) != 1:
            copies += [size * count, _PLACE * count]
    yield from copies
    yield from _rows(launch.gpu, count // length, length, size, len(copies))


def _rows(gpu: GPU, rows: int, length: int, size: int, first: int) -> Iterator[Step]:
    """Of rows that lie in order, after so many temporaries."""
    count = rows * length
    if rows == 1 or length >= _LONG_ROW:
        yield _PLACE * length
        row = 0
        while row < rows:  # no range, which would not see a number that stands for others
            yield sort_bytes(length, 8 * size, gpu, key=size)
            yield Back(first + 1 + row)
            row += 1
    elif rows < _MANY_ROWS:
        yield _PLACE * count
        yield _PLACE * count
        yield size * count
        yield sort_bytes(count, 8 * size, gpu, key=size)
        yield Back(first + 3)
        yield Back(first + 2)
        yield sort_bytes(count, (rows - 1).bit_length(), gpu, value=0)
    else:
        yield _PLACE * count
        yield segmented_sort_bytes(count, size)


def _axis(launch: Launch, place: int = 1) -> int:
    axis: int = launch.argument(place, "dim", -1)
    return axis % launch.first.dim()


_LEAST_OF_SEVERAL_BLOCKS = (  # rows up to which so many elements of one are several blocks' work
    (20, 20_000), (40, 10_000), (80, 8_000), (199, 5_000), (799, 3_000), (4_000, 800))
_LEAST_OF_MANY_ROWS = 400
_THREADS, _BLOCKS, _DIGITS = 256, 6, 256  # 6 by 40 registers a thread, of 65,536


@kernel("aten::topk", source=(
    "aten/src/ATen/native/cuda/TensorTopK.cpp: topk_out_cuda; TensorTopK.cu: "
    "should_use_multiblock, mbtopk::launch, get_items_per_thread"))
def _topk(launch: Launch) -> Iterable[Step]:
    """A block chooses among few; several blocks among many count digits."""
    tensor, gpu = launch.first, launch.gpu
    yield OUTPUTS
    if tensor.dim() == 0 or tensor.numel() == 0 or launch.outputs[0].numel() == 0:
        return
    axis = _axis(launch, 2)
    length, size = tensor.shape[axis], tensor.element_size()
    rows = tensor.numel() // length
    first = 0
    if not tensor.is_contiguous():
        yield size * tensor.numel()
        first = 1
    if _takes_several_blocks(rows, length):
        items = up(tensor.numel(), gpu.multiprocessors * _BLOCKS * _THREADS)
        blocks = rows * up(length, min(max(items, 4), 64) * _THREADS)
        taken = [size * rows, 8 * rows, 2 * rows * max(4, size), blocks * _DIGITS * 2,
                 rows * _DIGITS * 4, blocks * 4, blocks * 4]
        yield from taken
        for turn in range(2):
            yield scan_by_key_bytes(blocks, gpu)
            yield Back(first + len(taken) + turn)
        yield from map(Back, reversed(range(first, first + len(taken))))
    is_sorted = launch.argument(4, "sorted", True)
    if is_sorted and launch.outputs[0].shape[axis] > _SORTED_IN_A_BLOCK:
        raise NotModelled


def _takes_several_blocks(rows: int, length: int) -> bool:
    for most, least in _LEAST_OF_SEVERAL_BLOCKS:
        if rows <= most:
            return length >= least
    return length >= _LEAST_OF_MANY_ROWS
