"""Norms: what is not contiguous is copied; gradients of weights may be summed in parts."""

from __future__ import annotations

from collections.abc import Iterable

from .base import OUTPUTS, Launch, Step, kernel, up
from .operands import Operand
from .reductions import of_tensor

_MANY_ROWS = 64 * 1024
_COLUMNS, _ROWS = 32, 32  # of a block
_MOST_BLOCKS = 32 * 1024
_SOURCE = ("aten/src/ATen/native/cuda/layer_norm_kernel.cu: LaunchGammaBetaBackwardCUDAKernel, "
           "ConfigureAndLaunchGammaBetaBackwardKernel")


@kernel("aten::native_layer_norm", "aten::_fused_rms_norm", source=(
    "aten/src/ATen/native/cuda/layer_norm_kernel.cu: layer_norm_cuda, _fused_rms_norm_cuda"))
def _forward(launch: Launch) -> Iterable[Step]:
    return [*_copy(launch.first), OUTPUTS]


def _copy(tensor: Operand) -> list[int]:
    """What a copy takes of a tensor that is not contiguous."""
    return [] if tensor.is_contiguous() else [tensor.numel() * tensor.element_size()]


@kernel("aten::native_layer_norm_backward", "aten::_fused_rms_norm_backward", source=_SOURCE)
def _backward(launch: Launch) -> Iterable[Step]:
    """Copies of what is not contiguous, the results, and sums of parts where rows are many."""
    gradient, tensor = launch.tensors[:2]
    yield from _copy(tensor)
    yield OUTPUTS
    yield from _copy(gradient)
    weights = [one for one in launch.outputs if one.dim() < tensor.dim()]
    if not weights:
        return
    columns = weights[0].numel()
    rows = tensor.numel() // columns
    if rows > _MANY_ROWS and columns // _COLUMNS < launch.gpu.multiprocessors // 2:
        blocks = min(_MOST_BLOCKS // up(columns, _COLUMNS), up(rows, _ROWS))
        size = weights[0].element_size()
        yield from [blocks * columns * size] * len(weights)
        parts = Operand.dense((blocks, columns), weights[0].dtype)
        vector = 8 if size == 2 else 4
        for _ in weights:  # each sum takes the place of the result that was there
            yield columns * size
            yield from of_tensor(parts, [0], 4, launch.gpu, vector)
