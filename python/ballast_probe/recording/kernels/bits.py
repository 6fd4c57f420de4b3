"""bitsandbytes' 4-bit weights on a GPU: written out for each product, and dropped behind it."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

from .base import OUTPUTS, Launch, NotModelled, Step, kernel

_MOST_ROWS_TOGETHER = 1_536  # from here on a weight is always written out
_MANY_ROWS, _LARGE_WEIGHT = 512, 4 * 1024 * 1024
_SOURCE = "bitsandbytes 0.50, backends/cuda/ops.py: "


@kernel("bitsandbytes::quantize_4bit", "bitsandbytes::quantize_blockwise",
        "bitsandbytes::dequantize_4bit", "bitsandbytes::dequantize_blockwise",
        source=_SOURCE + "_dequantize_4bit_impl, _dequantize_blockwise_impl")
def _convert(launch: Launch) -> Iterable[Step]:
    return []


@kernel("bitsandbytes::gemm_4bit", source=_SOURCE + (
    "_gemm_4bit_use_custom_cuda, _dequant_linear_fallback"))
def _product(launch: Launch) -> Iterable[Step]:
    """Scales of blocks twice where they are quantised themselves, and the weight [N, K]."""
    rows, columns = launch.first.numel() // launch.first.shape[-1], launch.first.shape[-1]
    shape, block = launch.argument(2, "shapeB"), launch.argument(4, "blocksize")
    is_whole = columns % block == 0
    if is_whole and (rows <= _MANY_ROWS or (
            rows <= _MOST_ROWS_TOGETHER and prod(shape) < _LARGE_WEIGHT)):
        raise NotModelled  # it may be one kernel, by tables of measured speeds
    scales = launch.argument(7, "absmax_8bit")
    if scales is not None:
        yield 4 * scales.numel()
        yield 4 * scales.numel()
    yield prod(shape) * launch.first.element_size()
    yield OUTPUTS
