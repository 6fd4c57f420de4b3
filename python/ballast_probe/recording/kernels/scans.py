"""Sums and products along an axis: a scan of one row alone is cub's, and takes room."""

from __future__ import annotations

from collections.abc import Iterable

from .base import OUTPUTS, Launch, Step, kernel
from .cub import scan_bytes
from .operands import Operand

_DETERMINISTIC_TILE = 16  # items of a thread


@kernel("aten::cumsum", "aten::cumprod", source=(
    "aten/src/ATen/native/ReduceOps.cpp: impl_func_cum_ops; cuda/ScanUtils.cuh: scan_dim; "
    "cub/device/dispatch/dispatch_scan.cuh"))
def _scan(launch: Launch) -> Iterable[Step]:
    """A copy in the result's type, one that is contiguous, and cub's for a single row."""
    tensor, result = launch.first, launch.outputs[0]
    yield OUTPUTS
    if tensor.numel() == 0 or tensor.dim() == 0:
        return
    if tensor.dtype != result.dtype:
        yield result.numel() * result.element_size()
    if not tensor.is_contiguous():
        yield result.numel() * result.element_size()
    if tensor.numel() == tensor.shape[launch.argument(1, "dim")]:
        yield _row(launch, result)


def _row(launch: Launch, result: Operand) -> int:
    count, size = result.numel(), result.element_size()
    if launch.is_deterministic and result.dtype.is_floating_point \
            and launch.name == "aten::cumsum":
        threads = 256 if size >= 8 else 512
        return size * min(launch.gpu.multiprocessors,
                          -(-count // (threads * _DETERMINISTIC_TILE)))
    return scan_bytes(count, size)
