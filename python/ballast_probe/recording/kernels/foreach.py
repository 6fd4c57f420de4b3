"""Many tensors at a time: their norms are found in chunks first."""

from __future__ import annotations

from collections.abc import Iterable

from .base import OUTPUTS, Launch, Step, kernel, up

_CHUNK = 65_536  # elements


@kernel("aten::_foreach_norm", source=(
    "aten/src/ATen/native/cuda/ForeachReduceOp.cu: foreach_tensor_norm_cuda"))
def _norm(launch: Launch) -> Iterable[Step]:
    """A float32 a chunk, of as many chunks as the largest tensor has."""
    tensors = launch.tensors
    chunks = max(up(tensor.numel(), _CHUNK) for tensor in tensors)
    size = 8 if tensors[0].element_size() == 8 else 4
    return [size * len(tensors) * chunks, OUTPUTS]
