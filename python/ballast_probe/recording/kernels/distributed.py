"""Copies of FSDP2 between parameters and the buffers of its collectives.

Both kernels are given a table of 64-bit addresses, sizes and blocks, which lies on the GPU while
they run.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch

from .base import Launch, NotModelled, Step, kernel, up
from .operands import Operand

_WORD = 8  # bytes of an entry
_BLOCK, _A_THREAD = 128, 16  # threads, and bytes that one copies at a time
_A_BLOCK = _BLOCK * _A_THREAD


@kernel("fsdp::split_with_sizes_copy", source=(
    "aten/src/ATen/native/cuda/TensorShape.cu: split_with_sizes_copy_out_cuda_contiguous_no_cast"))
def _split(launch: Launch) -> Iterable[Step]:
    """Of [ranks, all of a row] into each parameter's [ranks, part of a row]."""
    gathered: Operand = launch.argument(0, "all_gather_output")
    sizes: tuple[int, ...] = launch.argument(1, "all_gather_input_split_sizes")
    if not sizes:
        return []
    chunks = [size * gathered.element_size() for size in sizes]
    rows = gathered.shape[0]
    gpu = launch.gpu
    most = gpu.multiprocessors * gpu.threads_per_multiprocessor // _BLOCK * 2
    factor = up(sum(up(chunk, _A_BLOCK) for chunk in chunks) * rows, most)
    rows_a_block = min(math.ceil(math.sqrt(factor)), rows)
    turns = up(factor, rows_a_block)
    blocks = sum(up(chunk, _A_BLOCK * turns) for chunk in chunks)
    return [_WORD * (3 * len(sizes) + blocks + len(sizes) + 1)]


@kernel("fsdp::chunk_cat", source=(
    "aten/src/ATen/native/cuda/TensorShape.cu: get_chunk_cat_metadata, _chunk_cat_out_cuda"))
def _concatenate(launch: Launch) -> Iterable[Step]:
    """Of gradients into [ranks, a row of each one's part], padded to whole rows."""
    gradients: tuple[Operand, ...] = launch.argument(0, "tensors")
    rows: int = launch.argument(2, "num_chunks")
    out: Operand = dict(launch.keywords)["out"]
    kinds = gradients[0].dtype, out.dtype
    is_dense = all(one.is_non_overlapping_and_dense() for one in gradients)
    if not is_dense or kinds[0] != kinds[1] and kinds != (torch.bfloat16, torch.float32):
        raise NotModelled
    blocks = sum(up(up(one.shape[0], rows) * (one.numel() // one.shape[0])
                    * out.element_size(), _A_BLOCK) for one in gradients)
    return [_WORD * (6 * len(gradients) + 2 + blocks)]


@kernel("fsdp::all_gather_copy_in", "fsdp::copy_", source=(
    "torch/distributed/fsdp/_fully_shard: one _foreach_copy_, one copy_"))
def _copy(launch: Launch) -> Iterable[Step]:
    return []
