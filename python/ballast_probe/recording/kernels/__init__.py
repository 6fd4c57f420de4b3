"""What CUDA's kernels take from the allocator inside an op, and give back before it ends."""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch

from ..gpus import GPU
from ..recorder import Call, Recorder
from ..stream import Role, Tensor
# They register what they describe.
from . import (  # noqa: F401
    attention, bits, distributed, foreach, grouping, indexing, norms, reductions, scans, sorting,
)
from .base import KERNELS, Back, Launch, NotModelled, Outputs, Step
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
        self._workspaces = Workspaces(gpu, os.environ)
        self._missing: list[str] = []

    def notes(self) -> list[str]:
        """What is not known of kernels that ran, in sentences."""
        return list(self._missing)

    def run(self, recorder: Recorder, call: Call, outputs: Sequence[torch.Tensor]) -> None:
        """Notes an op's results and everything that its kernel takes, in order."""
        name = call.name
        known = KERNELS.get(name) if name not in self._without else None
        launch = Launch(self._gpu, call, outputs, lambda one: not recorder.is_on_device(one))
        steps: list[Step] = []
        is_known = known is not None or needs_none(call.func)
        try:
            steps = list(known.describe(launch)) if known else []
        except NotModelled:
            is_known = False
        if known and known.missing and known.missing not in self._missing:
            self._missing.append(known.missing)
        if not is_known or known and known.missing:
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
        if (size := self._workspaces.of(call)) > 0:
            recorder.take(size, name, Role.WORKSPACE)
        for tensor in taken:
            if tensor is not None:
                recorder.stream.release(tensor)


def _see(recorder: Recorder, call: Call, outputs: Sequence[torch.Tensor]) -> None:
    for tensor in outputs:
        recorder.see(tensor, call)
