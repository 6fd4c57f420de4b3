"""Products of groups, which experts of a mixture make: CUTLASS's on sm90, cuBLAS's one by one."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from ..gpus import GPU
from .base import OUTPUTS, Launch, NotModelled, Step, kernel, to_multiple

_POINTER, _SHAPE, _STRIDE = 8, 12, 8
_TENSOR_MAP = 128  # bytes of a descriptor of the tensor memory accelerator
_TENSOR_MAPS = 2 + 2 + 1  # a multiprocessor: of both operands, each epilogue's result, its source


def is_grouped_kernel(gpu: GPU, dtype: torch.dtype) -> bool:
    """Whether groups are one kernel's work, and not a product of cuBLAS's each."""
    return gpu.capability[0] in (9, 10) and dtype is torch.bfloat16


@kernel("aten::_grouped_mm", source=(
    "aten/src/ATen/native/cuda/GroupedBlas.cpp: _grouped_mm_cuda; GroupMM.cu: "
    "bf16bf16_grouped_gemm_impl_sm90_sm100; cutlass 3.8 to 4.5, gemm/collective/"
    "sm90_mma_array_tma_gmma_ss_warpspecialized.hpp and epilogue/collective/"
    "sm90_epilogue_array_tma_warpspecialized.hpp: get_workspace_size"))
def _grouped(launch: Launch) -> Iterable[Step]:
    """Pointers, shapes and strides of each group, and a workspace of tensor maps."""
    first, second = launch.arguments[:2]
    yield OUTPUTS
    if not is_grouped_kernel(launch.gpu, first.dtype):
        return
    if launch.gpu.capability[0] != 9:
        raise NotModelled  # its stages are decided as it is compiled
    if first.dim() == second.dim() == 2:
        groups = launch.argument(2, "offs").shape[0]
    else:
        groups = (first if first.dim() == 3 else second).shape[0]
    yield 3 * _POINTER * to_multiple(groups, 2) + (_SHAPE + 3 * _STRIDE) * groups
    yield _TENSOR_MAP * _TENSOR_MAPS * launch.gpu.multiprocessors
