"""What CUDA's kernels take from the allocator inside an op, and give back before it ends."""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch

from ..gpus import GPU
from ..recorder import Call, Recorder
from ..stream import Role, Tensor
from . import attention, foreach, indexing, norms, reductions  # noqa: F401, they register what they describe
from .base import KERNELS, Back, Launch, Outputs
from .none import needs_none
from .products import Workspaces

__all__ = ["KERNELS", "CudaKernels"]


class CudaKernels:
    """The kernels of one GPU, as a recorder notes them.

    Args:
        gpu: Where they run.
        without: Names of ops whose temporaries are left out.
    """

    def __init__(self, gpu: GPU, without: Sequence[str] = ()) -> None:
        self._gpu = gpu
        self._without = frozenset(without)
        self._workspaces = Workspaces(gpu, os.environ.get("CUBLAS_WORKSPACE_CONFIG"))

    def run(self, recorder: Recorder, call: Call, outputs: Sequence[torch.Tensor]) -> None:
        """Notes an op's results and everything that its kernel takes, in order."""
        name = call.name
        known = KERNELS.get(name) if name not in self._without else None
        steps = list(known.describe(Launch(
            self._gpu, call, outputs, lambda tensor: not recorder.is_on_device(tensor)))) if known else []
        if known is None and not needs_none(call.func):
            recorder.not_modelled[name] += 1
        if not any(isinstance(step, Outputs) for step in steps):
            _see(recorder, call, outputs)
        taken: list[Tensor | None] = []
        for step in steps:
            if isinstance(step, Outputs):
                _see(recorder, call, outputs)
            elif isinstance(step, Back):
                if (tensor := taken[step.index]) is not None:
                    recorder.stream.release(tensor)
                taken[step.index] = None
            else:
                taken.append(recorder.take(step, name))
        if (size := self._workspaces.of(name)) > 0:
            recorder.take(size, name, Role.WORKSPACE)
        for tensor in taken:
            if tensor is not None:
                recorder.stream.release(tensor)


def _see(recorder: Recorder, call: Call, outputs: Sequence[torch.Tensor]) -> None:
    for tensor in outputs:
        recorder.see(tensor, call)
