"""Norms: what CUDA's kernels give beside the result, and the norm that is one kernel there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch._decomp.decompositions import _fused_rms_norm_backward

from ..recorder import PASS, Call, Recorder
from .base import Rule, Setting, implementing

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


class FusedRootMeanSquare(Rule):
    """`F.rms_norm` is one op, which keeps its operand and float32 reciprocals, a row one.

    Where weight and operand are of different types it is made of other ops, on CUDA as well.
    """

    name = "fused-rms-norm"
    source = ("aten/src/ATen/native/layer_norm.cpp: rms_norm_symint; "
              "cuda/layer_norm_kernel.cu: _fused_rms_norm_cuda")

    @contextlib.contextmanager
    def active(self, setting: Setting) -> Iterator[None]:
        recorder = setting.recorder

        def norm(tensor: torch.Tensor, shape: Sequence[int], weight: torch.Tensor | None = None,
                 eps: float | None = None) -> torch.Tensor:
            result: torch.Tensor
            if recorder.is_on_device(tensor) and (weight is None or weight.dtype == tensor.dtype) \
                    and tensor.is_floating_point():
                result = aten._fused_rms_norm.default(tensor, shape, weight, eps)[0]
            else:
                result = aten.rms_norm.default.decompose(tensor, shape, weight, eps)
            return result

        recorder.composites["aten::rms_norm"] = norm
        recorder.whole.add(aten._fused_rms_norm.default)
        # With a kernel of the backend's own the op keeps its own backward.
        with implementing(("_fused_rms_norm", aten._fused_rms_norm.default.decompose),
                          ("_fused_rms_norm_backward", _fused_rms_norm_backward), key="CPU"), \
                implementing(("rms_norm", norm), key="AutogradCPU"):
            yield

    def instead(self, recorder: Recorder, call: Call) -> Any:
        if call.func is not aten._fused_rms_norm.default or not call.is_counted:
            return PASS
        tensor, shape = call.arguments[:2]
        axis = tensor.dim() - len(shape)
        accumulator = torch.float64 if tensor.dtype is torch.float64 else torch.float32
        results = (tensor.new_empty(tensor.shape), tensor.new_empty(
            (*tensor.shape[:axis], *(1,) * len(shape)), dtype=accumulator))
        recorder.note(call, results)
        return results
