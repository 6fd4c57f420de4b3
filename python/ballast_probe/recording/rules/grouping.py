"""Products of groups, which experts of a mixture make, in any type."""

from __future__ import annotations

from typing import Any

import torch

from ..recorder import PASS, Call, Recorder
from .base import Rule

aten = torch.ops.aten

_ALIGNMENT = 16  # bytes of a result's rows


class GroupedProducts(Rule):
    """A product of groups is of its operands' type; PyTorch's shape rule knows bfloat16 alone."""

    name = "grouped-products"
    source = "aten/src/ATen/native/GroupedMMUtils.h: create_grouped_gemm_output_tensor"
    devices = ("cuda", "cpu")

    def instead(self, recorder: Recorder, call: Call) -> Any:
        if call.func is not aten._grouped_mm.default or call.arguments[0].dtype is torch.bfloat16:
            return PASS
        first, second = call.arguments[:2]
        rows, columns = first.shape[-2], second.shape[-1]
        if first.dim() == second.dim() == 2:
            offsets = call.arguments[2] if len(call.arguments) > 2 else call.keywords["offs"]
            sizes = [offsets.shape[0], rows, columns]
        elif first.dim() == second.dim() == 3:
            sizes = [first.shape[0], rows, columns]
        else:
            sizes = [rows, columns]
        unit = _ALIGNMENT // first.element_size()
        row = -(-columns // unit) * unit
        strides = [rows * row, row, 1][-len(sizes):]
        product = first.new_empty_strided(sizes, strides)
        recorder.note(call, product)
        return product
