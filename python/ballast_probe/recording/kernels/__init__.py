"""What CUDA's kernels take from the allocator inside an op, and give back before it ends."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import torch

from ..gpus import GPU
from ..recorder import Call, Recorder
from ..stream import Role, Tensor
# They register what they describe.
from . import (  # noqa: F401
    attention, bits, distributed, foreach, grouping, indexing, norms, reductions, scans, sorting,
)
from .base import KERNELS, Back, Launch, NotModelled, Outputs, Step, steps_of
from .none import needs_none
from .operands import Operand
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
        self._known: dict[Launch, Sequence[Step]] = {}

    def notes(self) -> list[str]:
        """What is not known of kernels that ran, in sentences."""
        return list(self._missing)

    def run(self, recorder: Recorder, call: Call, outputs: Sequence[torch.Tensor]) -> None:
        """Notes an op's results and everything that its kernel takes, in order."""
        name = call.name
        known = KERNELS.get(name) if name not in self._without else None
        is_known = known is not None or needs_none(call.func)
        steps: Sequence[Step] = ()
        launch = None
        if known is not None:
            launch = _launch(recorder, self._gpu, call, outputs)
            try:
                steps = self._steps_of(launch)
            except NotModelled:
                is_known = False
            if known.missing and known.missing not in self._missing:
                self._missing.append(known.missing)
        if not is_known or known and known.missing:
            recorder.not_modelled[name] += 1
        first = len(recorder.stream.events)
        self._run(recorder, call, outputs, steps)
        if launch is not None:
            recorder.stream.note_block(first, launch, (name, *recorder.place()))

    def _steps_of(self, launch: Launch) -> Sequence[Step]:
        """The steps of a call, found once for all that are alike."""
        if (steps := self._known.get(launch)) is None:
            steps = self._known[launch] = steps_of(launch)
        return steps

    def _run(self, recorder: Recorder, call: Call, outputs: Sequence[torch.Tensor],
             steps: Sequence[Step]) -> None:
        name = call.name
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


def _launch(recorder: Recorder, gpu: GPU, call: Call, outputs: Sequence[torch.Tensor]) -> Launch:
    def value(one: Any) -> Any:
        if isinstance(one, torch.Tensor):
            return Operand.of(one, is_on_host=not recorder.is_on_device(one))
        if isinstance(one, (list, tuple)):
            return tuple(map(value, one))
        return one

    return Launch(
        call.name, tuple(map(value, call.arguments)),
        tuple((name, value(one)) for name, one in call.keywords.items()),
        tuple(map(Operand.of, outputs)), gpu, torch.are_deterministic_algorithms_enabled())
