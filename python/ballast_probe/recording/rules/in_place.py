"""What autograd does in place on a device, and out of place as soon as a dispatch mode is on."""

from __future__ import annotations

from typing import Any

import torch

from ..recorder import PASS, Call, Recorder
from .base import Rule

aten = torch.ops.aten

# How often a tensor and its storage are held while autograd's buffer alone holds them: by that
# buffer, the arguments of the op, and what Python made of them.
_HELD, _STORAGE_HELD = 4, 2


class InPlaceGradients(Rule):
    """A gradient that arrives second is added into the first one, if nobody else holds that."""

    name = "in-place-gradients"
    source = "torch/csrc/autograd/input_buffer.cpp: can_accumulate_inplace"
    devices = ("cuda", "cpu")

    def instead(self, recorder: Recorder, call: Call) -> Any:
        if call.func is not aten.add.Tensor or recorder.node is None or torch.is_grad_enabled():
            return PASS
        held, other = call.arguments[0], call.arguments[1]
        if not isinstance(other, torch.Tensor) or not isinstance(held, torch.Tensor):
            return PASS
        row = recorder.row(held)
        if (row is None or row.number >= recorder.node_began or held.shape != other.shape
                or held.dtype != other.dtype
                or held._use_count() > _HELD  # type: ignore[attr-defined]
                or torch._C._storage_Use_Count(held.untyped_storage()._cdata) > _STORAGE_HELD
                or not aten.is_non_overlapping_and_dense(held)):
            return PASS
        aten.add_.Tensor(held, other)
        return held


class InPlaceFormulas(Rule):
    """Backward formulas fill a tensor of zeros in place, and copy it where a mode might watch."""

    name = "in-place-formulas"
    source = "torch/csrc/autograd/FunctionsManual.cpp: areAnyTensorSubclassLike"
    devices = ("cuda", "cpu")

    _in_place = {
        aten.scatter.src: aten.scatter_.src, aten.scatter.value: aten.scatter_.value,
        aten.scatter_add.default: aten.scatter_add_.default,
        aten.index_put.default: aten.index_put_.default,
        aten.index_add.default: aten.index_add_.default,
        aten.masked_fill.Scalar: aten.masked_fill_.Scalar,
    }

    def instead(self, recorder: Recorder, call: Call) -> Any:
        if recorder.node is None or torch.is_grad_enabled():
            return PASS
        if (in_place := self._in_place.get(call.func)) is None:
            return PASS
        filled = call.arguments[0]
        row = recorder.row(filled)
        if row is None or row.number < recorder.node_began:
            return PASS
        call.run(in_place)
        recorder.note(Call(in_place, call.arguments, call.keywords, call.tensors,
                           call.is_counted), filled)
        return filled
