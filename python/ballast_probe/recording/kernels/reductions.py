"""Sums, means, norms, extremes: a reduction that is too much for one block of threads is split.

Several blocks then reduce to a buffer, and count themselves with semaphores. Whether it is split is
decided by the shape of the axes as the iterator lays them out, and by how many blocks the GPU runs
at a time. `Reduce.cuh` ships with PyTorch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ..gpus import GPU
from .base import Launch, Step, kernel, up
from .operands import Operand

_MOST_THREADS, _WARP = 512, 32
_LEAST_SPLIT, _MOST_A_THREAD = 16, 256
_MOST_EXTENT = 2**31 - 1
_SOURCE = "aten/src/ATen/native/cuda/Reduce.cuh: setReduceConfig, global_memory_size"


@dataclass(frozen=True)
class Axis:
    """An axis of a reduction's iterator: extent, and strides in bytes; `out` is 0 where reduced."""

    extent: int
    out: int
    into: int


def axes_of(shape: Sequence[int], strides: Sequence[int], reduced: set[int],
            element: int) -> list[Axis]:
    """The axes of a reduction as `TensorIterator` orders and joins them, fastest first."""
    out, size = [0] * len(shape), element
    for place in reversed(range(len(shape))):
        if place not in reduced:
            out[place] = size
            size *= shape[place]
    axes = [Axis(extent, to, stride * element)
            for extent, to, stride in zip(shape, out, strides)][::-1]
    for last in range(1, len(axes)):  # reorder_dimensions
        moving = last
        for place in range(last - 1, -1, -1):
            order = _order(axes[place], axes[moving])
            if order > 0:
                axes[place], axes[moving] = axes[moving], axes[place]
                moving = place
            elif order < 0:
                break
    return _joined(axes)


def _order(one: Axis, other: Axis) -> int:
    """1 if the other comes first, -1 if it does not, 0 if that is open."""
    if (one.out == 0) != (other.out == 0):
        return 1 if other.out == 0 else -1
    for a, b in ((one.out, other.out), (one.into, other.into)):
        if a == 0 or b == 0:
            continue
        if a != b:
            return -1 if a < b else 1
        if one.extent > other.extent:
            return 1
    return 0


def _joined(axes: list[Axis]) -> list[Axis]:
    joined: list[Axis] = axes[:1]
    for axis in axes[1:]:
        last = joined[-1]
        if last.extent == 1:
            joined[-1] = replace(axis, extent=axis.extent)
        elif axis.extent == 1 or (last.extent * last.out == axis.out
                                  and last.extent * last.into == axis.into):
            joined[-1] = replace(last, extent=last.extent * axis.extent)
        else:
            joined.append(axis)
    return joined


def split(axes: list[Axis], element: int, accumulator: int, vector: int, gpu: GPU) -> list[int]:
    """What a reduction takes: its buffer and its semaphores, or nothing.

    Args:
        axes: Those of the iterator, fastest first.
        element: Bytes of an input element.
        accumulator: Bytes of what a thread reduces into.
        vector: Elements that a thread reads at a time.
        gpu: Where it runs.
    """
    if _extent(axes) > _MOST_EXTENT or 1 + sum(
            (axis.extent - 1) * axis.into for axis in axes) > _MOST_EXTENT:
        place = max(range(len(axes)), key=lambda at: (
            (axes[at].extent - 1) * max(axes[at].into, axes[at].out), at))
        half = axes[place].extent // 2
        parts = [[*axes[:place], replace(axes[place], extent=extent), *axes[place + 1:]]
                 for extent in (half, axes[place].extent - half)]
        return [size for part in parts for size in split(part, element, accumulator, vector, gpu)]
    return _split(axes, element, accumulator, vector, gpu)


def _split(axes: list[Axis], element: int, accumulator: int, vector: int, gpu: GPU) -> list[int]:
    reduced = sum(axis.out == 0 for axis in axes)
    outputs = _extent([axis for axis in axes if axis.out != 0])
    inputs = _extent(axes) // outputs
    along = reduced == len(axes) or axes[0].into < axes[reduced].into  # on the fastest axis
    width, height = (inputs, outputs) if along else (outputs, inputs)
    at_a_time = 1  # outputs of a thread
    if (axes[0].into if along else axes[reduced].into) == element:
        if along and width >= 128 and reduced == 1:
            width //= vector
        elif not along:
            at_a_time = _outputs_a_thread(axes, reduced, element)
            width //= at_a_time
    most = _MOST_THREADS // at_a_time
    wide, high = (_power_below(size) if size < most else most for size in (width, height))
    block_width = min(wide, _WARP)
    block_height = min(high, most // block_width)
    block_width = min(wide, most // block_height)

    steps, at_once = (block_width, 1) if along else (1, block_width)
    is_over_height = up(inputs, steps) >= min(block_height * _LEAST_SPLIT, _MOST_A_THREAD)
    if is_over_height:
        steps *= block_height
    else:
        at_once *= block_height
    target = gpu.multiprocessors * (
        gpu.threads_per_multiprocessor // (block_width * block_height))
    grid, a_thread = up(outputs // at_a_time, at_once), up(inputs, steps)
    if not is_over_height or a_thread < _MOST_A_THREAD or grid > target:
        return []
    blocks = max(min(up(target, grid), up(a_thread, _LEAST_SPLIT)), up(a_thread, _MOST_A_THREAD))
    if blocks <= 1:
        return []
    buffer = accumulator * outputs * blocks
    return [buffer if along else buffer * block_width * at_a_time, 4 * grid]


def _outputs_a_thread(axes: list[Axis], reduced: int, element: int) -> int:
    """How many neighbouring outputs a thread takes, so that all it reads is aligned: 4, 2 or 1."""
    vector = 4
    for size in (axes[reduced].extent, *(axis.into // element for place, axis in enumerate(axes)
                                         if place != reduced)):
        while size % vector:
            vector //= 2
    return vector


def _extent(axes: Iterable[Axis]) -> int:
    count = 1
    for axis in axes:
        count *= axis.extent
    return count


def _power_below(value: int) -> int:
    return 1 << (max(value, 1).bit_length() - 1)


def of_tensor(tensor: Operand, over: Sequence[int] | None, accumulator: int, gpu: GPU,
              vector: int = 4) -> list[int]:
    """What the reduction of a tensor over some axes takes; over all of them without any."""
    rank = tensor.dim()
    if tensor.numel() == 0 or rank == 0:
        return []
    reduced = {axis % rank for axis in over} if over else set(range(rank))
    axes = axes_of(tensor.shape, tensor.strides, reduced, tensor.element_size())
    return split(axes, tensor.element_size(), accumulator, vector, gpu)


def _axes_argument(launch: Launch, place: int) -> Sequence[int] | None:
    over = launch.argument(place, "dim")
    return [over] if isinstance(over, int) else over


@kernel("aten::sum", "aten::nansum", "aten::mean", source=_SOURCE)
def _sum(launch: Launch) -> Iterable[Step]:
    tensor = launch.first
    is_sum_of_halves = launch.name == "aten::sum" and tensor.element_size() == 2
    return of_tensor(tensor, _axes_argument(launch, 1), 4 if tensor.element_size() <= 4 else 8,
                     launch.gpu, 8 if is_sum_of_halves else 4)


@kernel("aten::linalg_vector_norm", source=_SOURCE)
def _norm(launch: Launch) -> Iterable[Step]:
    return of_tensor(launch.first, _axes_argument(launch, 2), 4, launch.gpu)


@kernel("aten::max", "aten::min", source=_SOURCE)
def _extreme(launch: Launch) -> Iterable[Step]:
    if len(launch.outputs) < 2:  # of all elements, or of two tensors
        if len(launch.tensors) > 1:
            return []
        return of_tensor(launch.first, None, max(4, launch.first.element_size()), launch.gpu)
    return of_tensor(launch.first, _axes_argument(launch, 1), 16, launch.gpu)


@kernel("aten::amax", "aten::amin", source=_SOURCE)
def _extreme_value(launch: Launch) -> Iterable[Step]:
    return of_tensor(launch.first, _axes_argument(launch, 1), 4, launch.gpu)


@kernel("aten::argmax", "aten::argmin", source=_SOURCE)
def _extreme_place(launch: Launch) -> Iterable[Step]:
    return of_tensor(launch.first, _axes_argument(launch, 1), 16, launch.gpu)


@kernel("aten::any", "aten::all", source=_SOURCE)
def _test(launch: Launch) -> Iterable[Step]:
    return of_tensor(launch.first, _axes_argument(launch, 1), 1, launch.gpu)


@kernel("aten::prod", source=_SOURCE)
def _product(launch: Launch) -> Iterable[Step]:
    return of_tensor(launch.first, _axes_argument(launch, 1),
                     4 if launch.first.element_size() <= 4 else 8, launch.gpu)
