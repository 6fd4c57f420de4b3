"""Dropout: one kernel with a mask of bytes, where a CPU draws noise in the input's type."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

from ..recorder import PASS, Call, Recorder
from .base import Rule, Setting, implementing

aten = torch.ops.aten


class FusedDropout(Rule):
    """`dropout` is `native_dropout` where it has something to do."""

    name = "fused-dropout"
    source = "aten/src/ATen/native/Dropout.cpp: is_fused_kernel_acceptable"

    @contextlib.contextmanager
    def active(self, setting: Setting) -> Iterator[None]:
        def dropout(tensor: torch.Tensor, probability: float, is_training: bool) -> torch.Tensor:
            if is_training and 0 < probability < 1 and tensor.numel() > 0 \
                    and setting.recorder.is_on_device(tensor):
                result: torch.Tensor = aten.native_dropout.default(tensor, probability, True)[0]
                return result
            if probability == 0 or not is_training:  # a decomposition in Python would copy it
                return tensor
            composite: torch.Tensor = aten.dropout.default.decompose(
                tensor, probability, is_training)
            return composite

        setting.recorder.composites["aten::dropout"] = dropout
        with implementing(("dropout", dropout), key="AutogradCPU"):
            yield


class MaskFirst(Rule):
    """The mask of a fused dropout is allocated before its result."""

    name = "dropout-mask-first"
    source = "aten/src/ATen/native/cuda/Dropout.cu: dropout_cuda"

    def instead(self, recorder: Recorder, call: Call) -> Any:
        if call.func is not aten.native_dropout.default or not call.is_counted:
            return PASS
        result, mask = call.run()
        recorder.note(call, (mask, result))
        return result, mask
