"""Backward of norms: gradients of weights are summed in one pass, into the results themselves."""

from __future__ import annotations

from collections.abc import Iterable

from .base import OUTPUTS, Launch, Step, kernel

_SOURCE = ("aten/src/ATen/native/cuda/layer_norm_kernel.cu: LaunchGammaBetaBackwardCUDAKernel, "
           "ConfigureAndLaunchGammaBetaBackwardKernel")


@kernel("aten::native_layer_norm_backward", "aten::_fused_rms_norm_backward", source=_SOURCE)
def _backward(launch: Launch) -> Iterable[Step]:
    """Copies of what is not contiguous, and the results."""
    gradient, tensor = launch.call.tensors[:2]
    for one in (gradient, tensor):
        if not one.is_contiguous():
            yield one.numel() * one.element_size()
    yield OUTPUTS
