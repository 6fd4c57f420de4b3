"""Indexing: what adds up sorts its indices, and sorting takes room."""

from __future__ import annotations

from collections.abc import Iterable

from .base import OUTPUTS, Back, Launch, Step, kernel
from .cub import sort_bytes
from .operands import Operand

_ROWS_A_THREAD = 10
_FEW_INDICES = 3_072


@kernel("aten::index_put", "aten::index_put_", "aten::_index_put_impl_", source=(
    "aten/src/ATen/native/TensorAdvancedIndexing.cpp: _index_put_impl_; "
    "aten/src/ATen/native/cuda/Indexing.cu: index_put_with_sort_kernel; cub/device/dispatch/"
    "dispatch_radix_sort.cuh: InvokeOnesweep"))
def _index_put(launch: Launch) -> Iterable[Step]:
    moved = _moved(launch)
    filled, values = launch.first, launch.argument(2, "values")
    if not launch.argument(3, "accumulate", False) \
            and not (launch.is_deterministic and values.numel() > 1):
        return moved
    indices = [index for index in launch.arguments[1] if index is not None]
    size = 8 * indices[0].numel()
    rows = 1
    for extent in filled.shape[:len(launch.arguments[1])]:
        rows *= extent
    # the linear index twice, values, sorted indices, original places twice, and the sort's own
    dense = [] if values.is_contiguous() else [values.numel() * values.element_size()]
    first, last = len(moved), len(moved) + 2 + len(dense)
    return [*moved, size, size, Back(first), *dense, size, size, size,
            sort_bytes(indices[0].numel(), (rows - 1).bit_length(), launch.gpu), Back(last + 3),
            Back(last + 2)]


@kernel("aten::index", source="aten/src/ATen/native/TensorAdvancedIndexing.cpp: make_info")
def _index(launch: Launch) -> Iterable[Step]:
    moved = _moved(launch)
    return [*moved, OUTPUTS] if moved else []


def _moved(launch: Launch) -> list[Step]:
    """Indices of the host, which go to the device first."""
    return [index.numel() * index.element_size() for index in launch.arguments[1]
            if index is not None and index.is_on_host]


@kernel("aten::pow", source="aten/src/ATen/native/Pow.cpp: pow_Scalar_out")
def _power(launch: Launch) -> Iterable[Step]:
    """A base that is a number becomes a tensor of the device."""
    base = launch.arguments[0]
    return [] if isinstance(base, Operand) or base == 1 else [OUTPUTS, 8]


@kernel("aten::embedding_dense_backward", source=(
    "aten/src/ATen/native/cuda/Embedding.cu: embedding_dense_backward_cuda; "
    "EmbeddingBackwardKernel.cu: embedding_backward_cuda_kernel"))
def _embedding_backward(launch: Launch) -> Iterable[Step]:
    """Many indices are sorted, and summed in parts of 10 rows, in float32."""
    gradient, indices = launch.tensors[:2]
    count, words, width = indices.numel(), launch.arguments[2], gradient.shape[-1]
    if not gradient.is_contiguous():
        yield gradient.numel() * gradient.element_size()
        first = 1
    else:
        first = 0
    if count <= _FEW_INDICES:
        yield OUTPUTS
        return
    index = 8 * count
    segments = min(count, words)
    parts = count // _ROWS_A_THREAD + segments
    yield index  # sorted
    yield index  # where they were
    yield index  # a range
    yield sort_bytes(count, 64, launch.gpu)
    yield Back(first + 3)
    yield Back(first + 2)
    yield OUTPUTS
    yield index  # where segments begin
    yield 8  # how many there are
    yield 8 * segments  # parts of each
    yield 8 * segments  # where they begin
    yield 8  # how many parts there are
    yield 8 * parts  # where each begins
    yield 4 * parts * width  # their sums


@kernel("aten::where", source="aten/src/ATen/native/TensorCompare.cpp: where_self_out")
def _where(launch: Launch) -> Iterable[Step]:
    """A number, or a host's tensor of one, is moved to the device first."""
    size = launch.outputs[0].element_size()
    for value in launch.arguments[1:3]:
        if not isinstance(value, Operand) or value.is_on_host:
            yield size
    yield OUTPUTS
