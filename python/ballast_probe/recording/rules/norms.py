"""Norms: what CUDA's kernels give beside the result."""

from __future__ import annotations

from typing import Any

import torch

from ..recorder import PASS, Call, Recorder
from .base import Rule

aten = torch.ops.aten


class FloatStatistics(Rule):
    """Mean and reciprocal deviation of a norm in half precision are float32."""

    name = "float-statistics"
    source = "aten/src/ATen/native/cuda/layer_norm_kernel.cu: layer_norm_cuda (acc_type)"

    def instead(self, recorder: Recorder, call: Call) -> Any:
        if call.func is not aten.native_layer_norm.default or not call.is_counted \
                or call.arguments[0].dtype not in (torch.float16, torch.bfloat16):
            return PASS
        result, mean, deviation = call.run()
        outputs = (result, mean.to(torch.float32), deviation.to(torch.float32))
        del mean, deviation
        recorder.note(call, outputs)
        return outputs
